-- luacheck: LuaJIT, the global `rmkv` that the program provides, lines of at most 120 columns.
std = "luajit"
read_globals = { "rmkv", "help" }
max_line_length = 120
-- Arguments a callback must accept need no use.
unused_args = false
exclude_files = { "scripts/meta", ".deps", "build*" }
-- Sentences of the stories stand on one line each.
files["recipes/sources/storyworld"] = { max_line_length = 170 }
