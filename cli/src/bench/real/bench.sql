PRAGMA journal_mode = OFF;
CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, size INTEGER, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO t SELECT i, 'name ' || (i * 7919 % 60013), i % 997, hex(i) || printf('%.*c', i % 90, 'x') FROM n;
CREATE INDEX by_name ON t (name);
CREATE INDEX by_size ON t (size, name);
SELECT count(*), sum(length(note)) FROM t WHERE name LIKE 'name 1%';
SELECT size, count(*), group_concat(substr(name, 6), ' ') FROM t GROUP BY size ORDER BY 2 DESC, 1 LIMIT 20;
SELECT count(*) FROM t a JOIN t b ON a.size = b.size AND a.id < b.id WHERE a.id % 50 = 0;
UPDATE t SET note = note || name WHERE id % 3 = 0;
DELETE FROM t WHERE size BETWEEN 100 AND 300;
SELECT count(*), sum(length(note)) FROM t;
