// The page of a report: a table of places, a flame graph, a call tree, a tree of what holds what, a timeline, all from the one JSON in it.
// Texts go into the page as text, never as markup; styles by the object model, which the policy allows.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const diff = Boolean(data.before);
  const number = (n) => Math.round(n).toLocaleString("en-US");
  const plural = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;
  const size = (n) => {
    const sign = n < 0 ? "-" : "", abs = Math.abs(n), units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let at = 0, value = abs;
    while (value >= 1024 && at < units.length - 1) { value /= 1024; at += 1; }
    return `${sign}${at === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${units[at]}`;
  };
  const signed = (n, show) => (n > 0 ? `+${show(n)}` : show(n));
  const make = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const base = (path) => path.slice(path.lastIndexOf("/") + 1) || path;

  // Frames are [function, file, line, module, offset, inlined], texts by number, -1 for none.
  const text = (at) => (at < 0 ? "" : data.texts[at]);
  const frames = data.frames.map((f) => {
    const frame = { fn: text(f[0]), file: text(f[1]), line: f[2], module: text(f[3]), offset: f[4], inlined: Boolean(f[5]) };
    frame.name = frame.fn || (frame.module ? `${base(frame.module)}+${frame.offset}` : frame.offset);
    frame.at = frame.file ? frame.file + (frame.line > 0 ? `:${frame.line}` : "") : frame.module ? `${frame.module}+${frame.offset}` : "unknown module";
    frame.short = frame.file ? base(frame.file) + (frame.line > 0 ? `:${frame.line}` : "") : frame.fn && frame.module ? base(frame.module) : "";
    return frame;
  });
  const unknown = { fn: "", file: "", line: 0, module: "", name: "an unknown place", at: "no stack was kept", short: "" };
  const sites = data.sites.map((site, id) => {
    const stack = site.stack.map((at) => frames[at]);
    const own = site.own >= 0 ? stack[site.own] : unknown;
    const classes = site.classes || [];
    const words = [site.kind, site.state || "", ...classes.map((c) => c.name), ...stack.concat((site.used || []).map((at) => frames[at])).flatMap((f) => [f.fn, f.file, f.module])];
    return { ...site, id, stack, used: (site.used || []).map((at) => frames[at]), classes, own: site.own, place: own, haystack: words.join("\n").toLowerCase() };
  });

  const state = { query: "", kind: "", sort: diff ? "change" : "bytes", order: -1, view: "sites", shown: 300, open: new Set(), up: true, callers: false, zoom: [] };
  const bytesOf = (site) => (diff && site.state === "gone" ? site.before.bytes : site.bytes);
  // What a direct leak takes with it when it is mended; an indirect one goes with others.
  const retained = (site) => (site.kind === "indirect" ? 0 : site.bytes + (site.keeps ? site.keeps.bytes : 0));
  const short = (n) => (Math.abs(n) < 100000 ? number(n) : size(n));
  const visible = () => {
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean);
    return sites.filter((s) => (!state.kind || s.kind === state.kind || s.state === state.kind) && words.every((w) => s.haystack.includes(w)));
  };

  // --- the head
  const verdict = () => {
    const total = data.total, head = $("verdict");
    document.querySelector(".where").textContent = data.runs.map((r) => `${r.exe || "a program"} (process ${r.pid}, mode ${r.mode})`).join("; ");
    const places = new Set(sites.filter((s) => s.state !== "gone").map((s) => s.place.name + s.place.short)).size;
    if (diff) {
      const grown = data.total.bytes - data.before.bytes;
      head.append(make("span", grown > 0 ? "lost" : "none", grown === 0 ? "As many bytes as before" : `${size(Math.abs(grown))} ${grown > 0 ? "more" : "less"} than before`));
      return;
    }
    if (total.objects === 0) { head.append(make("span", "none", data.audit ? "No hidden pointers" : "Nothing leaked")); return; }
    head.append(make("span", "lost", data.audit ? plural(total.objects, "object") : plural(total.objects, "leak")));
    head.append(`, ${plural(total.bytes, "byte")} ${data.audit ? "used by hidden pointers" : "lost"} from ${plural(places, "place")}`);
  };
  const tile = (value, label, className) => {
    const node = make("div", "tile");
    node.append(make("b", className || "", value), make("span", "", label));
    $("tiles").append(node);
  };
  const tiles = () => {
    const of = (kind) => sites.filter((s) => s.kind === kind && s.state !== "gone").reduce((sum, s) => sum + s.bytes, 0);
    if (diff) {
      const d = data.total.bytes - data.before.bytes;
      tile(`${size(data.before.bytes)} → ${size(data.total.bytes)}`, `bytes (${signed(d, size)})`, d > 0 ? "up" : "down");
      for (const word of ["new", "grown", "gone", "shrunk"]) {
        tile(number(sites.filter((s) => s.state === word).length), `${word} places`, word === "new" || word === "grown" ? "up" : "down");
      }
      return;
    }
    tile(size(data.total.bytes), data.audit ? "hidden" : "lost in all");
    tile(number(data.total.objects), "objects");
    for (const [kind, label] of [["direct", "lost directly"], ["indirect", "lost with them"], ["mapping", "in mappings"], ["possible", "possibly lost"]]) {
      if (of(kind) > 0) tile(size(of(kind)), label);
    }
    if (sites.length > 0) {
      const top = sites.reduce((a, b) => (b.bytes > a.bytes ? b : a));
      tile(`${data.total.bytes ? Math.round((100 * top.bytes) / data.total.bytes) : 0} %`, `in ${top.place.name.slice(0, 48)}`);
    }
  };
  const notes = () => {
    const lines = data.runs.flatMap((r) => r.notes.concat(r.suppressed.map((s) => `suppressed: ${plural(s.objects, "object")}, ${size(s.bytes)} by ${s.pattern}`), r.unused.map((u) => `suppression not used: ${u.pattern} (${u.origin})`)));
    if (lines.length === 0) return;
    $("notes").hidden = false;
    $("notes").querySelector("summary").textContent = plural(lines.length, "remark");
    $("notes").querySelector("ul").append(...lines.map((line) => make("li", "", line)));
  };

  // --- the table
  const columns = [
    { id: "place", label: "Place", of: (s) => s.place.name.toLowerCase() + s.place.short },
    { id: "kind", label: "Kind", of: (s) => (s.state || "") + s.kind },
    { id: "objects", label: "Objects", num: true, of: (s) => s.objects },
    { id: "bytes", label: "Bytes", num: true, of: bytesOf },
  ];
  if (data.tree.length > 0) columns.push({ id: "retained", label: "Retained", num: true, of: retained });
  if (diff) columns.push({ id: "change", label: "Change", num: true, of: (s) => s.bytes - s.before.bytes });
  const heads = () => {
    for (const column of columns) {
      const th = make("th", column.num ? "num" : ""), button = make("button", "", column.label);
      th.dataset.column = column.id;
      button.type = "button";
      button.addEventListener("click", () => {
        state.order = state.sort === column.id ? -state.order : column.num ? -1 : 1;
        state.sort = column.id;
        table();
      });
      th.append(button);
      $("heads").append(th);
    }
  };
  const marked = (node, value) => {
    const word = state.query.trim().toLowerCase().split(/\s+/)[0] || "";
    const at = word ? value.toLowerCase().indexOf(word) : -1;
    if (at < 0) { node.append(value); return node; }
    node.append(value.slice(0, at), make("mark", "", value.slice(at, at + word.length)), value.slice(at + word.length));
    return node;
  };
  const stackList = (stack, own) => {
    const list = make("ol", "stack mono");
    stack.forEach((frame, at) => {
      const item = make("li", at === own ? "own" : ""), body = make("div");
      if (at === own) item.title = "Most likely the frame that is yours";
      body.append(marked(make("span", "fn"), frame.name), " ", marked(make("span", "at"), frame.at));
      if (frame.inlined) body.append(" ", make("em", "", "inlined"));
      item.append(make("span", "", `#${at}`), body);
      list.append(item);
    });
    if (stack.length === 0) list.append(make("li", "", "no stack was kept"));
    return list;
  };
  const detail = (site) => {
    const row = make("tr", "detail"), cell = make("td");
    cell.colSpan = columns.length;
    if (site.used.length > 0) {
      cell.append(make("h3", "", `${site.call} was called from`), stackList(site.used, -1), make("h3", "", "allocated from"));
    }
    cell.append(stackList(site.stack, site.own));
    const leads = [];
    if (site.cycles) leads.push(site.cycles === 1 ? "the root of a cycle" : `the roots of ${number(site.cycles)} cycles`);
    if (site.keeps) leads.push(`keeps ${plural(site.keeps.bytes, "byte")} in ${plural(site.keeps.objects, "more object")}`);
    if (site.shares) leads.push(`leads to ${plural(site.shares.bytes, "byte")} in ${plural(site.shares.objects, "more object")}, as other leaks do`);
    if (leads.length > 0) {
      const list = make("ul", "classes");
      list.append(...leads.map((line) => make("li", "", line)));
      cell.append(make("h3", "", "What it holds"), list);
    }
    if (site.classes.length > 0) {
      const list = make("ul", "classes");
      for (const c of site.classes) {
        const item = make("li");
        item.append(`${plural(c.objects, "object")}, ${size(c.bytes)} of `, marked(make("code"), c.name));
        list.append(item);
      }
      cell.append(make("h3", "", "C++ classes"), list);
    }
    if (site.rule) {
      const rule = make("div", "rule"), copy = make("button", "copy", "Copy");
      copy.type = "button";
      copy.addEventListener("click", () => {
        const done = () => { copy.textContent = "Copied"; };
        const range = document.createRange(), chosen = getSelection();
        range.selectNodeContents(rule.querySelector("code"));
        chosen.removeAllRanges();
        chosen.addRange(range);
        if (navigator.clipboard && window.isSecureContext) navigator.clipboard.writeText(site.rule).then(done, () => document.execCommand("copy") && done());
        else if (document.execCommand("copy")) done();
      });
      rule.append("Suppress it by", make("code", "", site.rule), copy);
      cell.append(rule);
    }
    row.append(cell);
    return row;
  };
  const row = (site, most) => {
    const tr = make("tr", "site"), place = make("td", "what");
    tr.tabIndex = 0;
    tr.dataset.id = site.id;
    place.append(marked(make("span", "fn mono"), site.place.name), marked(make("span", "at mono"), site.place.short));
    if (site.classes.length > 0) {
      const most = site.classes[0], others = site.classes.length - 1;
      const of = marked(make("span", "class mono"), most.name);
      of.title = site.classes.map((c) => `${plural(c.objects, "object")} of ${c.name}`).join("\n");
      if (others > 0) of.append(` and ${number(others)} more ${others === 1 ? "class" : "classes"}`);
      place.append(of);
    }
    const kind = make("td");
    kind.append(make("span", `kind ${site.state || site.kind}`, site.state ? `${site.state}, ${site.kind}` : site.kind));
    const share = make("td", "num share"), bar = make("i"), bytes = bytesOf(site);
    bar.style.width = `calc(${most > 0 ? (100 * bytes) / most : 0}% - 16px)`;
    share.title = plural(bytes, "byte");
    share.append(bar, make("b", "", short(bytes)));
    tr.append(place, kind, make("td", "num", number(site.objects)), share);
    if (data.tree.length > 0) tr.append(make("td", "num", site.kind === "indirect" ? "" : short(retained(site))));
    if (diff) {
      const change = site.bytes - site.before.bytes;
      tr.append(make("td", `num ${change > 0 ? "up" : change < 0 ? "down" : ""}`, signed(change, short)));
    }
    const toggle = () => {
      if (state.open.delete(site.id)) tr.nextElementSibling.remove();
      else { state.open.add(site.id); tr.after(detail(site)); }
      tr.classList.toggle("open", state.open.has(site.id));
      tr.setAttribute("aria-expanded", String(state.open.has(site.id)));
    };
    tr.setAttribute("aria-expanded", String(state.open.has(site.id)));
    tr.addEventListener("click", () => { if (String(getSelection()) === "") toggle(); });
    tr.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(); }
    });
    return tr;
  };
  const table = () => {
    const column = columns.find((c) => c.id === state.sort);
    const list = visible().sort((a, b) => {
      const [x, y] = [column.of(a), column.of(b)];
      return (x < y ? -1 : x > y ? 1 : 0) * state.order || a.id - b.id;
    });
    for (const th of $("heads").children) {
      if (th.dataset.column === state.sort) th.setAttribute("aria-sort", state.order < 0 ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    const most = Math.max(...list.map(bytesOf), 0), rows = [];
    for (const site of list.slice(0, state.shown)) {
      const tr = row(site, most);
      rows.push(tr);
      if (state.open.has(site.id)) { tr.classList.add("open"); rows.push(detail(site)); }
    }
    $("rows").replaceChildren(...rows);
    $("none").hidden = list.length > 0;
    $("none").textContent = sites.length === 0 ? "Nothing to show: no leaks." : "Nothing matches the search.";
    $("more").hidden = state.view !== "sites" || list.length <= state.shown;
    $("more").textContent = `Show ${number(Math.min(300, list.length - state.shown))} more of ${number(list.length - state.shown)}`;
    const bytes = list.reduce((sum, s) => sum + bytesOf(s), 0);
    $("count").textContent = `${number(list.length)} of ${plural(sites.length, "stack")}, ${size(bytes)}`;
  };

  // --- the graph and the tree: stacks folded into nodes
  const fold = () => {
    const root = { name: data.runs.length === 1 && data.runs[0].exe ? base(data.runs[0].exe) : "all", bytes: 0, objects: 0, kids: new Map(), up: null };
    for (const site of visible()) {
      const bytes = bytesOf(site), stack = state.callers && state.view === "graph" ? site.stack : site.stack.slice().reverse();
      let node = root;
      node.bytes += bytes; node.objects += site.objects;
      for (const frame of stack) {
        let kid = node.kids.get(frame.name);
        if (!kid) { kid = { name: frame.name, at: frame.at, module: frame.module, bytes: 0, objects: 0, kids: new Map(), up: node }; node.kids.set(frame.name, kid); }
        kid.bytes += bytes; kid.objects += site.objects;
        node = kid;
      }
    }
    return root;
  };
  const hue = (name) => {
    let hash = 2166136261;
    for (let i = 0; i < name.length; i += 1) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
    return (hash >>> 0) % 1000 / 1000;
  };
  const colour = (node) => {
    const h = hue(node.name), system = /^\/(usr\/)?lib/.test(node.module || "");
    return system ? `hsl(${205 + 15 * h} ${22 + 10 * h}% ${72 + 8 * h}%)` : `hsl(${14 + 38 * h} ${78 + 10 * h}% ${66 + 8 * h}%)`;
  };
  const descend = (root) => {
    let node = root;
    for (const name of state.zoom) { const kid = node.kids.get(name); if (!kid) break; node = kid; }
    return node;
  };
  const pathOf = (node) => { const path = []; for (let n = node; n.up; n = n.up) path.unshift(n.name); return path; };
  const graph = () => {
    const root = fold(), focus = descend(root), bars = $("bars"), width = bars.clientWidth || 1200, HEIGHT = 22;
    const list = [], above = [];
    for (let n = focus.up; n; n = n.up) above.unshift(n);
    let depth = 0;
    const weigh = focus.bytes > 0 ? (n) => n.bytes : (n) => n.objects;
    const place = (node, x, w, level, faint) => {
      depth = Math.max(depth, level + 1);
      list.push({ node, x, w, level, faint });
      if (faint) return;
      let at = x;
      const kids = [...node.kids.values()].sort((a, b) => (a.name < b.name ? -1 : 1)), whole = weigh(node) || 1;
      for (const kid of kids) {
        const share = (w * weigh(kid)) / whole;
        if (share * width >= 1) place(kid, at, share, level + 1, false);
        at += share;
      }
    };
    above.forEach((node, level) => place(node, 0, 1, level, true));
    place(focus, 0, 1, above.length, false);
    const words = state.query.toLowerCase().split(/\s+/).filter(Boolean), total = root.bytes || 1;
    bars.style.height = `${depth * HEIGHT + 2}px`;
    bars.replaceChildren(...list.map(({ node, x, w, level, faint }) => {
      const bar = make("button", faint ? "faint" : "", w * width > 28 ? node.name : "");
      bar.type = "button";
      if (words.length && words.some((word) => node.name.toLowerCase().includes(word))) bar.classList.add("hit");
      const style = bar.style;
      style.left = `${(x * 100).toFixed(4)}%`;
      style.width = `max(1px, ${(w * 100).toFixed(4)}%)`;
      style.top = `${(state.up ? depth - 1 - level : level) * HEIGHT}px`;
      style.background = colour(node);
      const about = `${node.name}: ${plural(node.bytes, "byte")} (${((100 * node.bytes) / total).toFixed(1)} %) in ${plural(node.objects, "object")}`;
      bar.setAttribute("aria-label", about);
      bar.title = about;
      const tell = () => { $("told").textContent = about; };
      bar.addEventListener("mouseenter", tell);
      bar.addEventListener("focus", tell);
      bar.addEventListener("click", () => { state.zoom = pathOf(node); graph(); });
      return bar;
    }));
    $("reset").hidden = focus === root;
    $("flame").setAttribute("aria-pressed", String(state.up));
    $("icicle").setAttribute("aria-pressed", String(!state.up));
    $("callers").setAttribute("aria-pressed", String(state.callers));
  };
  const branch = (node, total, level) => {
    const item = make("li", node.kids.size === 0 ? "leaf" : ""), line = make("div");
    item.setAttribute("role", "treeitem");
    item.setAttribute("aria-level", String(level));
    item.tabIndex = -1;
    const bytes = make("span", "num"), bar = make("i");
    bar.style.width = `${total ? (100 * node.bytes) / total : 0}%`;
    bytes.append(bar, make("b", "", number(node.bytes)));
    line.append(bytes, make("span", "num at", `${total ? Math.round((100 * node.bytes) / total) : 0} %`));
    const name = make("span", "name mono");
    marked(name, node.name);
    if (node.at) name.append(" ", make("span", "at", node.at === node.name ? "" : base(node.at)));
    if (node.cls) name.append(" ", marked(make("span", "class"), node.cls));
    if (node.more) name.append(make("span", "more", node.more));
    // Numbers stay below each other.
    name.style.paddingLeft = `${Math.min(level - 1, 24) * 18}px`;
    line.append(name);
    item.append(line);
    const set = (open) => {
      if (node.kids.size === 0) return;
      item.setAttribute("aria-expanded", String(open));
      const list = item.querySelector(":scope > ul");
      if (open && !list) {
        const list = make("ul");
        list.setAttribute("role", "group");
        list.append(...[...node.kids.values()].sort((a, b) => b.bytes - a.bytes).map((kid) => branch(kid, total, level + 1)));
        item.append(list);
      } else if (list) list.hidden = !open;
    };
    item.openIt = set;
    set(level <= (node.more || node.top ? 2 : 1));
    // Where there is no choice, the way is opened at once.
    if (node.kids.size === 1 && level < 12) set(true);
    line.addEventListener("click", () => { set(item.getAttribute("aria-expanded") !== "true"); item.focus(); });
    return item;
  };
  const tree = () => {
    const root = fold();
    const top = branch(root, root.bytes, 1);
    top.tabIndex = 0;
    $("nodes").replaceChildren(top);
  };
  // What holds what: nodes of the record, below each other; those that lead to nothing visible are left out.
  const held = () => {
    const wanted = new Set(visible().map((s) => s.id));
    const top = { name: "all direct leaks", top: true, bytes: 0, objects: 0, kids: new Map() };
    const nodes = data.tree.map(([at, above, bytes, objects, shared]) => {
      const site = sites[at], most = site.classes[0];
      const more = [plural(objects, "object")];
      if (shared > 0) more.push(`${size(shared)} of it held by other leaks, too`);
      if (above < 0 && site.cycles) more.push(site.cycles === 1 ? "the root of a cycle" : `the roots of ${number(site.cycles)} cycles`);
      return { name: site.place.name, at: site.place.short, cls: most ? most.name : "", more: more.join(", "), bytes, objects, kids: new Map(), above, seen: wanted.has(at) };
    });
    for (let at = nodes.length - 1; at >= 0; at -= 1) {
      const node = nodes[at], up = node.above < 0 ? top : nodes[node.above];
      if (!node.seen) continue;
      up.seen = true;
      up.bytes += node.bytes;
      up.kids.set(at, node);
    }
    const item = branch(top, top.bytes, 1);
    item.tabIndex = 0;
    $("holders").replaceChildren(item);
  };
  for (const list of ["nodes", "holders"]) $(list).addEventListener("keydown", (event) => {
    const item = event.target.closest("[role=treeitem]");
    if (!item) return;
    const shown = [...$(list).querySelectorAll("[role=treeitem]")].filter((n) => n.offsetParent !== null), at = shown.indexOf(item);
    const go = (to) => { if (to) { item.tabIndex = -1; to.tabIndex = 0; to.focus(); } };
    const open = item.getAttribute("aria-expanded") === "true";
    if (event.key === "ArrowDown") go(shown[at + 1]);
    else if (event.key === "ArrowUp") go(shown[at - 1]);
    else if (event.key === "ArrowRight") { if (open) go(shown[at + 1]); else item.openIt(true); }
    else if (event.key === "ArrowLeft") { if (open) item.openIt(false); else go(item.parentElement.closest("[role=treeitem]")); }
    else if (event.key === "Enter" || event.key === " ") item.openIt(!open);
    else return;
    event.preventDefault();
  });

  // --- the timeline: what was live at each check, by place
  const draws = (tag, marks, className) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(marks)) node.setAttribute(name, value);
    if (className) node.setAttribute("class", className);
    return node;
  };
  const span = (ms) => {
    for (const [unit, of] of [["d", 86400000], ["h", 3600000], ["min", 60000]]) if (ms >= 2 * of) return `${(ms / of).toFixed(1).replace(/[.]0$/, "")} ${unit}`;
    return `${(ms / 1000).toFixed(ms < 10000 && ms % 1000 ? 1 : 0)} s`;
  };
  // A round step, in powers of two as sizes are shown.
  const steps = (most, count) => {
    let step = 1;
    while (most / step > count) step *= 2;
    return step;
  };
  const HUES = [160, 214, 36, 280, 340, 88];
  const line = (of) => {
    const rows = of.checks, start = rows[0].at_ms, end = rows[rows.length - 1].at_ms;
    const known = rows.filter((r) => r.top.length > 0), peak = new Map();
    for (const r of known) for (const [place, bytes] of r.top) peak.set(place, Math.max(peak.get(place) || 0, bytes));
    const chosen = [...peak].sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, HUES.length).map(([place]) => place);
    const parts = rows.map((r) => chosen.map((place) => (r.top.find(([p]) => p === place) || [0, 0])[1]));
    const W = Math.max(320, $("lines").clientWidth - 36), H = 300, L = 72, B = 26, T = 10, R = 12;
    const most = Math.max(1, ...rows.map((r) => r.bytes), ...rows.map((r) => r.lost), ...parts.map((p) => p.reduce((a, b) => a + b, 0)));
    const x = (ms) => L + ((W - L - R) * (ms - start)) / Math.max(1, end - start), y = (bytes) => H - B - ((H - B - T) * bytes) / most;
    const root = draws("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", tabindex: "0", "aria-label": `Live bytes at ${rows.length} checks over ${span(end - start)}, from ${size(rows[0].bytes)} to ${size(rows[rows.length - 1].bytes)}. Arrow keys step through the checks.` });
    const label = (at, down, value, anchor) => { const node = draws("text", { x: at, y: down, "text-anchor": anchor }); node.textContent = value; return node; };
    const step = steps(most, 5);
    for (let at = 0; at <= most; at += step) root.append(draws("line", { x1: L, x2: W - R, y1: y(at), y2: y(at) }, "grid"), label(L - 8, y(at) + 4, size(at), "end"));
    const S = 1000, M = 60 * S, wide = (end - start) / Math.max(2, Math.min(7, Math.floor(W / 120)));
    const every = [S / 10, S / 5, S / 2, S, 2 * S, 5 * S, 10 * S, 15 * S, 30 * S, M, 2 * M, 5 * M, 10 * M, 15 * M, 30 * M, 60 * M, 120 * M, 180 * M, 360 * M, 720 * M].find((one) => one >= wide) || Math.ceil(wide / (1440 * M)) * 1440 * M;
    for (let at = 0; at <= end - start; at += every) root.append(label(x(start + at), H - 6, span(at), at === 0 ? "start" : x(start + at) > W - R - 24 ? "end" : "middle"));
    const tint = (at) => `hsl(${HUES[at]} 52% 52%)`;
    const path = (points) => points.map(([a, b], at) => `${at ? "L" : "M"}${a.toFixed(1)} ${b.toFixed(1)}`).join("");
    const floor = new Map(known.map((r) => [r, 0]));
    chosen.forEach((place, at) => {
      const low = known.map((r) => [x(r.at_ms), y(floor.get(r))]);
      for (const r of known) floor.set(r, floor.get(r) + parts[rows.indexOf(r)][at]);
      const high = known.map((r) => [x(r.at_ms), y(floor.get(r))]);
      if (known.length > 1) root.append(draws("path", { d: `${path(high)}${path(low.reverse()).replace("M", "L")}Z`, fill: tint(at), "fill-opacity": 0.75 }));
    });
    root.append(draws("path", { d: path(rows.map((r) => [x(r.at_ms), y(r.bytes)])) }, "live"));
    const leaks = rows.some((r) => r.lost > 0);
    if (leaks) root.append(draws("path", { d: path(rows.map((r) => [x(r.at_ms), y(r.lost)])) }, "lost"));
    const mark = draws("line", { x1: L, x2: L, y1: T, y2: H - B }, "at");
    mark.style.display = "none";
    root.append(mark);

    const box = make("div", "line"), said = make("p", "said"), legend = make("ul", "legend"), cells = [];
    said.setAttribute("role", "status");
    const entry = (className, tone, name) => {
      const item = make("li"), swatch = make("i", className), value = make("b");
      if (tone) swatch.style.background = tone;
      item.append(swatch, make("span", name.mono ? "mono" : "", name.text), value);
      legend.append(item);
      cells.push(value);
    };
    entry("stroke", "", { text: "all that is reachable" });
    if (leaks) entry("stroke red", "", { text: "lost" });
    chosen.forEach((place, at) => entry("", tint(at), { text: of.places[place], mono: true }));
    let current = rows.length - 1;
    const tell = (at) => {
      current = Math.max(0, Math.min(rows.length - 1, at));
      const r = rows[current];
      said.textContent = `After ${span(r.at_ms - start)}: ${size(r.bytes)} in ${plural(r.objects, "object")} reachable, ${size(r.lost)} lost`;
      const values = [r.bytes, ...(leaks ? [r.lost] : []), ...(r.top.length > 0 ? parts[current] : chosen.map(() => null))];
      cells.forEach((cell, n) => { cell.textContent = values[n] === null ? "" : size(values[n]); });
      mark.setAttribute("x1", x(r.at_ms));
      mark.setAttribute("x2", x(r.at_ms));
    };
    tell(current);
    root.addEventListener("pointermove", (event) => {
      const frame = root.getBoundingClientRect(), ms = start + (((event.clientX - frame.x) * W) / frame.width - L) / Math.max(1, W - L - R) * (end - start);
      mark.style.display = "";
      tell(rows.reduce((best, r, at) => (Math.abs(r.at_ms - ms) < Math.abs(rows[best].at_ms - ms) ? at : best), 0));
    });
    root.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: rows.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      mark.style.display = "";
      tell(to);
    });
    if (data.timeline.length > 1) box.append(make("h2", "", `${base(of.exe)}, process ${of.pid}`));
    box.append(root, said, legend);
    return box;
  };
  const time = () => {
    $("lines").replaceChildren(...data.timeline.map(line));
    const rows = data.growing.map((one) => {
      const tr = make("tr"), place = make("td", "what"), own = one.own >= 0 ? frames[one.stack[one.own]] : unknown;
      place.append(make("span", "fn mono", own.name), make("span", "at mono", own.short));
      if (one.class) place.append(make("span", "class mono", one.class));
      if (one.held.length > 0) place.append(make("span", "at", `held by ${one.held.join(" \u2192 ")}`));
      tr.append(place, make("td", "num", short(one.bytes)), make("td", "num up", `+${short(one.more)}`), make("td", "num", size(one.rate)), make("td", "num", span(one.age)));
      return tr;
    });
    $("growing").hidden = rows.length === 0;
    $("growing").querySelector("tbody").replaceChildren(...rows);
  };

  // --- views, keys, theme
  const draw = () => { table(); if (state.view === "graph") graph(); if (state.view === "tree") tree(); if (state.view === "held") held(); if (state.view === "time") time(); };
  const views = ["sites", "graph", "tree", ...(data.tree.length > 0 ? ["held"] : []), ...(data.timeline.length + data.growing.length > 0 ? ["time"] : [])];
  const show = (view) => {
    state.view = view;
    for (const name of views) {
      $(name).hidden = name !== view;
      $(`tab-${name}`).setAttribute("aria-selected", String(name === view));
      $(`tab-${name}`).tabIndex = name === view ? 0 : -1;
    }
    draw();
  };
  for (const name of views) $(`tab-${name}`).addEventListener("click", () => show(name));
  document.querySelector(".tabs").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = views[(views.indexOf(state.view) + step + views.length) % views.length];
    show(next);
    $(`tab-${next}`).focus();
  });
  $("more").addEventListener("click", () => { state.shown += 300; table(); });
  let waiting = 0;
  $("search").addEventListener("input", (event) => {
    state.query = event.target.value;
    state.shown = 300;
    clearTimeout(waiting);
    waiting = setTimeout(draw, sites.length > 2000 ? 150 : 0);
  });
  $("kind").addEventListener("change", (event) => { state.kind = event.target.value; draw(); });
  $("flame").addEventListener("click", () => { state.up = true; graph(); });
  $("icicle").addEventListener("click", () => { state.up = false; graph(); });
  $("callers").addEventListener("click", () => { state.callers = !state.callers; state.zoom = []; graph(); });
  $("reset").addEventListener("click", () => { state.zoom = []; graph(); });
  const theme = (to) => { document.documentElement.dataset.theme = to; };
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  theme(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => theme(dark.matches ? "dark" : "light"));
  const turn = () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  $("theme").addEventListener("click", turn);
  $("help").addEventListener("click", () => $("keys").showModal());
  const move = (step) => {
    const rows = [...$("rows").querySelectorAll("tr.site")], at = rows.indexOf(document.activeElement);
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
    if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, select");
    if (event.key === "Escape") {
      if (typing) { $("search").value = ""; state.query = ""; event.target.blur(); }
      state.zoom = [];
      draw();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      "/": () => $("search").focus(), j: () => move(1), k: () => move(-1), t: () => show("sites"), f: () => show("graph"),
      c: () => show("tree"), r: () => views.includes("held") && show("held"), l: () => views.includes("time") && show("time"), d: turn, "?": () => $("keys").showModal(),
    };
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  window.addEventListener("resize", () => { if (state.view === "graph") graph(); if (state.view === "time") time(); });

  const kinds = [...new Set(sites.flatMap((s) => [s.state, s.kind]).filter(Boolean))];
  $("kind").append(new Option("all kinds", ""), ...kinds.map((kind) => new Option(kind, kind)));
  $("kind").hidden = kinds.length < 2;
  $("footer").textContent = `gleaner ${data.version}. This file is complete: it loads nothing and sends nothing.`;
  $("tab-held").hidden = !views.includes("held");
  $("tab-time").hidden = !views.includes("time");
  verdict(); tiles(); notes(); heads(); table();
})();
