-- Strings, tables and closures that come and go: JSON-like trees are built, written as text, and dropped.
local function tree(depth)
  if depth == 0 then return { value = "leaf" .. depth, list = { 1, 2, 3 } } end
  local node = { name = ("node %d"):format(depth), kids = {} }
  for i = 1, 4 do node.kids[i] = tree(depth - 1) end
  return node
end
local function text(node, out)
  out[#out + 1] = "{" .. (node.name or node.value)
  for _, kid in ipairs(node.kids or {}) do text(kid, out) end
  out[#out + 1] = "}"
end
local sum = 0
for round = 1, 40 do
  local out = {}
  text(tree(6), out)
  local all = table.concat(out, ",")
  for word in all:gmatch("%a+ ?%d") do sum = sum + #word end
end
print(sum)
