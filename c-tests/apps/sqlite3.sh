#!/bin/bash
# sqlite3: 50,000 rows, indices, joins, a recursive query, dump and restore, integrity check.
# needs: sqlite3
sqlite3 a.db <<'END'
create table t(id integer primary key, name text, n int);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 50000) insert into t select x, 'name' || (x * 7919 % 10007), x % 97 from c;
create index i on t(name);
select count(*), sum(n), max(name) from t;
select n, count(*) from t group by n order by 2 desc, 1 limit 3;
select count(*) from t a join t b on a.name = b.name where a.id < 5000;
delete from t where n < 10; update t set name = upper(name) where n > 90; vacuum; pragma integrity_check;
create virtual table f using fts5(body); insert into f select name from t limit 2000; select count(*) from f where f match 'name77';
END
sqlite3 a.db .dump | sqlite3 b.db && sqlite3 b.db 'select count(*), sum(id) from t' && sqlite3 b.db 'select nonsense'
echo "status $?"
