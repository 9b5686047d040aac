---@meta rmkv
-- Definitions of the rmkv API for editors (LuaCATS).  Written by `rmkv --meta`; do not edit.

---@class rmkv
---@field version string
---@field root string the folder that holds recipes/
---@field recipe string the running recipe, "" for none
---@field args string[] words after the recipe
rmkv = {}

---random numbers as a function of (seed, purpose, step, position)
---@class rmkv.Random
local Random = {}

---numbers in a grid of any rank; dimensions and positions count from 1, negative ones from the end
---@class rmkv.Tensor
local Tensor = {}

---bytes to token ids and back; ids count from 0
---@class rmkv.Tokenizer
local Tokenizer = {}

---decodes one token at a time, whole UTF-8 characters only
---@class rmkv.Decoder
local Decoder = {}

---counts the words of documents and finds their merges
---@class rmkv.TokenizerTrainer
local TokenizerTrainer = {}

---a language model of any architecture: parameters, states, probes
---@class rmkv.Model
local Model = {}

---what a model remembers between tokens: named tensors and counters, a value
---@class rmkv.State
local State = {}

---turns gradients into updates; belongs to one model
---@class rmkv.Optimizer
local Optimizer = {}

---documents by index: a pure function from a number to text
---@class rmkv.Source
local Source = {}

---endless training batches from weighted sources, resumable from a few integers
---@class rmkv.Stream
local Stream = {}

---a fixed finite pass over documents
---@class rmkv.EvaluationStream
local EvaluationStream = {}

---consecutive segments of documents in lanes, ready for a training step
---@class rmkv.Batch
---@field lanes integer rows
---@field segments integer segments of a row
---@field segment_tokens integer tokens of a segment
---@field token_count integer tokens without padding
---@field label_count integer labels that are trained
---@field byte_count integer bytes of text behind the labels
local Batch = {}

---training steps over the segments of batches, with the memory of the lanes
---@class rmkv.Trainer
local Trainer = {}

---what a step found; reading loss, gradient_norm or skipped waits for the device
---@class rmkv.StepReport
---@field loss number mean nats per trained label, before the update
---@field bits_per_byte number loss in bits per byte of text; NaN without text
---@field auxiliary number the model's auxiliary loss, trained beside loss; 0 without one
---@field gradient_norm number before clipping
---@field skipped boolean true when the update was left out (NaN, infinity or a spike)
---@field token_count integer tokens without padding
---@field label_count integer labels that were trained
---@field byte_count integer bytes of text behind the labels
local StepReport = {}

---a text in the making: memory, sampler and place; fork it, save it, look into it
---@class rmkv.Session
local Session = {}

---a run's folder: its checkpoints and which of them to keep
---@class rmkv.RunFolder
local RunFolder = {}

---a JSONL file, one object a step
---@class rmkv.RunLog
local RunLog = {}

---a TensorBoard event file
---@class rmkv.EventFile
local EventFile = {}

---an HTTP endpoint; requests wait until they are taken
---@class rmkv.Server
local Server = {}

---a request and the answer to it
---@class rmkv.Exchange
local Exchange = {}

---Declares the options of a recipe and reads them from the command line; --help prints them.
---
---Raises on an unknown option (naming the nearest), a wrong type, a value outside its range
---@param declarations table name = { default, "help", choices =, positional =, repeated =, type =, items =, min =, max =, required = }; a list as default is an option that may be repeated, a table one that --set name.key=value fills
---@return table options # closed: reading or writing an undeclared name raises
function rmkv.options(declarations) end

---Tells whether an option was set by the command line or a file.
---@param options table from rmkv.options
---@param name string
---@return boolean
function rmkv.options_given(options, name) end

---Calls a function and releases every object made inside, except what it returns.
---
---Raises what the function raises, after releasing
---@param body function
---@param ... any arguments of the function
---@return any results # what the function returned
function rmkv.scope(body, ...) end

---Counts the live objects and their bytes.
---@return table # handles, bytes, peak_bytes, lua_bytes, collections, threshold_bytes, resident_bytes, largest = { {type, made_at, bytes} }
function rmkv.mem() end

---Prints help for a function, module, class, object or name; also the global help.
---
---Raises on an unknown name, naming the nearest
---@param subject? any
function rmkv.help(subject) end

---Returns what help prints for a name.
---
---Raises on an unknown name, naming the nearest
---@param name string "rmkv.tensor", "Tensor:sum", "Tensor"
---@return string
function rmkv.help_text(name) end

---Returns a value as text: tables sorted and indented, tensors summarised.
---@param value any
---@param depth? integer tables nested deeper show as {...}
---@return string
function rmkv.inspect(value, depth) end

---Loads a recipe file or name as a function without running it.
---
---Raises when there is no such recipe
---@param name string
---@return function? chunk # nil when it does not parse
---@return string? message
function rmkv.load_recipe(name) end

---Tells whether SIGTERM, or a deferred Ctrl-C, asks the recipe to save and end.
---@return string? reason # "interrupt", "terminate" or nil
function rmkv.stop_requested() end

---Forgets a stop request, for a recipe that decides to go on.
function rmkv.clear_stop() end

---While on, the first Ctrl-C raises nothing and only shows in stop_requested; a second within 2 s quits.
---@param on boolean
function rmkv.defer_interrupts(on) end

---Calls a function; catches Ctrl-C and nothing else.
---
---Raises every other error of the function
---@param body function
---@param ... any arguments of the function
---@return boolean ended # false after Ctrl-C
---@return any results # or the message
function rmkv.catch_interrupt(body, ...) end

---time, threads, files, the terminal, the machine
rmkv.system = {}

---Returns the seconds since 1970 (UTC).
---@return number
function rmkv.system.time() end

---Returns the seconds since an arbitrary point; never jumps.
---@return number
function rmkv.system.clock() end

---Returns the time as "2026-01-31T12:34:56Z".
---@return string
function rmkv.system.timestamp() end

---Waits; Ctrl-C ends it.
---@param seconds number
function rmkv.system.sleep(seconds) end

---Sets and returns the number of arithmetic threads.
---@param count? integer
---@return integer
function rmkv.system.threads(count) end

---Sets and returns whether products sum every row in one fixed order: results are then the same bits for any split of the tokens and any number of threads.
---@param on? boolean
---@return boolean
function rmkv.system.deterministic(on) end

---Describes a device.
---
---Raises on an unknown kind of device
---@param device? string
---@return table # name, available, why, cores, threads, bf16_products, avx512, memory_bytes
function rmkv.system.device_facts(device) end

---Tells what is installed, found and missing.
---@return table # version, torch, luajit, system, root, cpu, cuda, disk_free_bytes
function rmkv.system.health() end

---Returns an environment variable.
---@param name string
---@return string?
function rmkv.system.env(name) end

---Tells which standard streams are terminals, and the size of the screen.
---@return table # stdin, stdout, stderr, width, height
function rmkv.system.terminal() end

---Returns the memory of the process.
---@return table # resident_bytes, peak_bytes
function rmkv.system.memory() end

---Reads a line from standard input.
---@param prompt? string written first
---@return string? line # nil at the end of input
---@return string? message
function rmkv.system.read_line(prompt) end

---Reads a line from the terminal with editing, a history and completion; without a terminal as read_line does, the prompt left out.
---
---Raises on Ctrl-C
---@param prompt? string written first
---@param words? table what Tab completes at the beginning of the line
---@return string? line # nil at the end of input
---@return string? message
function rmkv.system.edit_line(prompt, words) end

---Writes to standard output at once.
---
---Raises when the output is closed or full
---@param ... any texts and numbers
function rmkv.system.write(...) end

---Writes to standard error at once.
---@param ... any texts and numbers
function rmkv.system.write_error(...) end

---Returns the name of the machine.
---@return string
function rmkv.system.hostname() end

---Returns the process number.
---@return integer
function rmkv.system.pid() end

---Tells whether a file or folder exists.
---@param path string
---@return boolean
function rmkv.system.exists(path) end

---Tells whether a folder exists.
---@param path string
---@return boolean
function rmkv.system.is_folder(path) end

---Lists the names in a folder, sorted.
---@param path string
---@return table? names # nil when there is no such folder
---@return string? message
function rmkv.system.list(path) end

---Creates a folder and its parents.
---
---Raises when the system refuses
---@param path string
function rmkv.system.make_folders(path) end

---Reads a whole file.
---
---Raises when it cannot be read
---@param path string
---@return string? content # nil when there is no such file
---@return string? message
function rmkv.system.read_file(path) end

---Writes a whole file atomically: readers see the old one or the new one.
---
---Raises when it cannot be written
---@param path string
---@param content string
function rmkv.system.write_file(path, content) end

---Appends to a file.
---
---Raises when it cannot be written
---@param path string
---@param content string
function rmkv.system.append_file(path, content) end

---Removes a file, an empty folder, or a whole folder.
---@param path string
---@param whole? boolean also a folder with what is in it
---@return boolean? removed
---@return string? message
function rmkv.system.remove(path, whole) end

---Renames a file or folder, replacing a file.
---
---Raises when the system refuses
---@param from string
---@param to string
function rmkv.system.rename(from, to) end

---Points a symbolic link at a target, replacing it atomically.
---
---Raises when the system refuses
---@param target string
---@param path string
function rmkv.system.link(target, path) end

---Returns the absolute path without links.
---@param path string
---@return string
function rmkv.system.absolute(path) end

---Returns the XXH3-128 of a file, against damage, not malice.
---
---Raises when it cannot be read
---@param path string
---@return string # 32 hexadecimal digits
function rmkv.system.hash_file(path) end

---Returns the XXH3-128 of a text.
---@param content string
---@return string # 32 hexadecimal digits
function rmkv.system.hash(content) end

---Returns the size of a file.
---
---Raises when there is none
---@param path string
---@return integer
function rmkv.system.file_size(path) end

---Returns when a file was changed, in seconds since 1970.
---@param path string
---@return number? time
---@return string? message
function rmkv.system.modified(path) end

---Returns the free space where a path lies.
---@param path? string
---@return integer? bytes
---@return string? message
function rmkv.system.disk_free(path) end

---random numbers that depend on nothing but (seed, purpose, step, position)
rmkv.random = {}

---Makes a stream of random numbers; equal arguments give equal numbers.
---@param seed integer
---@param purpose string streams of different purposes are independent
---@param step? integer
---@param position? integer words already taken
---@return rmkv.Random
function rmkv.random.stream(seed, purpose, step, position) end

---Returns the place of an index in a random permutation of 1..size, without a table.
---
---Raises when the index is beyond the size
---@param index integer
---@param size integer
---@param seed integer
---@param purpose string
---@param epoch? integer
---@return integer # 1 .. size
function rmkv.random.permuted(index, size, seed, purpose, epoch) end

---Draws a number from [0, 1).
---@return number
function Random:uniform() end

---Draws a normal number, mean 0, deviation 1.
---@return number
function Random:normal() end

---Draws a whole number from 0 to bound - 1.
---@param bound integer
---@return integer
function Random:below(bound) end

---Draws a whole number from low to high, both included.
---
---Raises when high is below low
---@param low integer
---@param high integer
---@return integer
function Random:integer(low, high) end

---Draws an item of a list.
---
---Raises when the list is empty
---@param list table
---@return any
function Random:choice(list) end

---Returns a shuffled copy of a list.
---@param list table
---@return table
function Random:shuffle(list) end

---Returns the number of 64-bit words taken.
---@return integer
function Random:position() end

---Moves the stream to a position.
---@param position integer
function Random:seek(position) end

---JSON text to plain tables and back
rmkv.json = {}

---@class rmkv.json.encode.options
---@field indent? integer blanks per level; one line when left out

---Writes plain data as JSON; keys are sorted, NaN and infinities become null.
---
---Raises on functions, objects, mixed keys and cycles
---@param value any
---@param options? rmkv.json.encode.options
---@return string
function rmkv.json.encode(value, options) end

---Reads JSON; null becomes nil, integers beyond 2^53 become strings "int64:...".
---
---Raises on malformed text, with its place
---@param text string
---@param name? string opens the message of an error
---@return any
function rmkv.json.decode(text, name) end

---Reads a JSON file.
---
---Raises when the file is missing or malformed
---@param path string
---@return any
function rmkv.json.read(path) end

---@class rmkv.json.write.options
---@field indent? integer blanks per level; one line when left out

---Writes a JSON file atomically.
---
---Raises when the file cannot be written
---@param path string
---@param value any
---@param options? rmkv.json.write.options
function rmkv.json.write(path, value, options) end

---Marks a table as a list, so that it is written as [] even when it is empty.
---@param list? table
---@return table # the same table
function rmkv.json.list(list) end

---TOML text to plain tables and back
rmkv.toml = {}

---Writes a table as TOML; keys are sorted.
---
---Raises on what TOML cannot hold
---@param table table
---@return string
function rmkv.toml.encode(table) end

---Reads TOML.
---
---Raises on malformed text, with line and column
---@param text string
---@param name? string opens the message of an error
---@return table
function rmkv.toml.decode(text, name) end

---Reads a TOML file.
---
---Raises when the file is missing or malformed
---@param path string
---@return table
function rmkv.toml.read(path) end

---Writes a TOML file atomically.
---
---Raises when the file cannot be written
---@param path string
---@param table table
function rmkv.toml.write(path, table) end

---tensors for probing and small experiments; models and training steps work inside the program
rmkv.tensor = {}

---@class rmkv.tensor.zeros.options
---@field dtype? string fp32, bf16, fp16, fp64, int64, int32, uint8 or bool (default "fp32")
---@field device? string  (default "cpu")

---Makes a tensor of zeros.
---@param shape integer[]|integer a list of sizes, or one size
---@param options? rmkv.tensor.zeros.options
---@return rmkv.Tensor
function rmkv.tensor.zeros(shape, options) end

---@class rmkv.tensor.ones.options
---@field dtype? string fp32, bf16, fp16, fp64, int64, int32, uint8 or bool (default "fp32")
---@field device? string  (default "cpu")

---Makes a tensor of ones.
---@param shape integer[]|integer a list of sizes, or one size
---@param options? rmkv.tensor.ones.options
---@return rmkv.Tensor
function rmkv.tensor.ones(shape, options) end

---@class rmkv.tensor.full.options
---@field dtype? string fp32, bf16, fp16, fp64, int64, int32, uint8 or bool (default "fp32")
---@field device? string  (default "cpu")

---Makes a tensor of one value.
---@param shape integer[]|integer a list of sizes, or one size
---@param value number
---@param options? rmkv.tensor.full.options
---@return rmkv.Tensor
function rmkv.tensor.full(shape, value, options) end

---@class rmkv.tensor.from.options
---@field dtype? string fp32, bf16, fp16, fp64, int64, int32, uint8 or bool (default "fp32")
---@field device? string  (default "cpu")

---Makes a tensor from a number, a boolean or nested lists of them.
---
---Raises when rows differ in length
---@param values table|number|boolean
---@param options? rmkv.tensor.from.options
---@return rmkv.Tensor
function rmkv.tensor.from(values, options) end

---@class rmkv.tensor.arange.options
---@field dtype? string fp32, bf16, fp16, fp64, int64, int32, uint8 or bool (default "fp32")
---@field device? string  (default "cpu")

---Makes the numbers from first to last, both included.
---
---Raises when step is 0
---@param first number
---@param last number
---@param step? number
---@param options? rmkv.tensor.arange.options
---@return rmkv.Tensor
function rmkv.tensor.arange(first, last, step, options) end

---@class rmkv.tensor.linspace.options
---@field dtype? string fp32, bf16, fp16, fp64, int64, int32, uint8 or bool (default "fp32")
---@field device? string  (default "cpu")

---Makes evenly spaced numbers, both ends included.
---@param first number
---@param last number
---@param count integer
---@param options? rmkv.tensor.linspace.options
---@return rmkv.Tensor
function rmkv.tensor.linspace(first, last, count, options) end

---@class rmkv.tensor.eye.options
---@field dtype? string fp32, bf16, fp16, fp64, int64, int32, uint8 or bool (default "fp32")
---@field device? string  (default "cpu")

---Makes an identity matrix.
---@param size integer
---@param options? rmkv.tensor.eye.options
---@return rmkv.Tensor
function rmkv.tensor.eye(size, options) end

---@class rmkv.tensor.rand.options
---@field seed? integer equal seeds give equal numbers (default 0)
---@field step? integer another draw of the same seed (default 0)
---@field dtype? string  (default "fp32")
---@field device? string  (default "cpu")

---Draws uniform numbers from [0, 1).
---@param shape integer[]|integer a list of sizes, or one size
---@param options? rmkv.tensor.rand.options
---@return rmkv.Tensor
function rmkv.tensor.rand(shape, options) end

---@class rmkv.tensor.randn.options
---@field seed? integer equal seeds give equal numbers (default 0)
---@field step? integer another draw of the same seed (default 0)
---@field dtype? string  (default "fp32")
---@field device? string  (default "cpu")

---Draws normal numbers, mean 0, deviation 1.
---@param shape integer[]|integer a list of sizes, or one size
---@param options? rmkv.tensor.randn.options
---@return rmkv.Tensor
function rmkv.tensor.randn(shape, options) end

---@class rmkv.tensor.randint.options
---@field seed? integer equal seeds give equal numbers (default 0)
---@field step? integer another draw of the same seed (default 0)
---@field dtype? string  (default "fp32")
---@field device? string  (default "cpu")

---Draws whole numbers from low to high, both included; int64 unless asked.
---
---Raises when high is below low
---@param shape integer[]|integer a list of sizes, or one size
---@param low integer
---@param high integer
---@param options? rmkv.tensor.randint.options
---@return rmkv.Tensor
function rmkv.tensor.randint(shape, low, high, options) end

---@class rmkv.tensor.randperm.options
---@field seed? integer equal seeds give equal numbers (default 0)
---@field step? integer another draw of the same seed (default 0)
---@field dtype? string  (default "fp32")
---@field device? string  (default "cpu")

---Draws an order of the positions 1 .. size.
---@param size integer
---@param options? rmkv.tensor.randperm.options
---@return rmkv.Tensor # int64 [size]
function rmkv.tensor.randperm(size, options) end

---Joins tensors along a dimension.
---
---Raises when the other sizes differ
---@param tensors table
---@param dim? integer
---@return rmkv.Tensor
function rmkv.tensor.cat(tensors, dim) end

---Joins tensors of equal shape along a new dimension.
---
---Raises when shapes differ
---@param tensors table
---@param dim? integer
---@return rmkv.Tensor
function rmkv.tensor.stack(tensors, dim) end

---Takes values of a where the condition holds, of b elsewhere.
---@param condition rmkv.Tensor bool
---@param a rmkv.Tensor|number
---@param b rmkv.Tensor|number
---@return rmkv.Tensor
function rmkv.tensor.where(condition, a, b) end

---Reads a safetensors file.
---
---Raises when the file is missing or damaged
---@param path string
---@return table # name = Tensor
function rmkv.tensor.load(path) end

---Writes a safetensors file atomically.
---
---Raises when it cannot be written
---@param path string
---@param tensors table name = Tensor
---@return string # hash of the file
function rmkv.tensor.save(path, tensors) end

---Returns the sizes.
---@return table
function Tensor:shape() end

---Returns the size of a dimension.
---@param dim integer from 1, or from -1 backwards
---@return integer
function Tensor:size(dim) end

---Returns the number of dimensions.
---@return integer
function Tensor:rank() end

---Returns the number of elements.
---@return integer
function Tensor:count() end

---Returns the bytes of the elements.
---@return integer
function Tensor:bytes() end

---Returns the name of the dtype.
---@return string
function Tensor:dtype() end

---Returns the name of the device.
---@return string
function Tensor:device() end

---Returns the only element.
---
---Raises when there is more than one
---@return number|boolean
function Tensor:item() end

---Returns the raw little-endian bytes of all elements, in order.
---@return string
function Tensor:pack() end

---Returns the elements as nested lists.
---@return table|number|boolean
function Tensor:totable() end

---Converts to a dtype or moves to a device.
---
---Raises on an unknown name
---@param target string "bf16", "int64", "cpu", "cuda" …
---@return rmkv.Tensor
function Tensor:to(target) end

---Copies.
---@return rmkv.Tensor
function Tensor:clone() end

---Copies when the elements do not lie in order.
---@return rmkv.Tensor
function Tensor:contiguous() end

---Frees now instead of when collected; later use raises.
function Tensor:release() end

---Returns one line of facts and a few corners as text.
---@return string
function Tensor:summary() end

---Gives the elements other sizes; a view where possible.
---
---Raises when the numbers of elements differ
---@param sizes integer[]|integer a list, or the numbers one by one; one size may be -1
---@param ... any
---@return rmkv.Tensor
function Tensor:reshape(sizes, ...) end

---Gives the elements as one row.
---@return rmkv.Tensor
function Tensor:flatten() end

---Repeats dimensions of size 1 without copying.
---
---Raises when another size would change
---@param sizes integer[]|integer a list, or the numbers one by one; one size may be -1
---@param ... any
---@return rmkv.Tensor
function Tensor:expand(sizes, ...) end

---Repeats the whole tensor along each dimension.
---@param times integer[]|integer
---@param ... any
---@return rmkv.Tensor
function Tensor:repeats(times, ...) end

---Swaps two dimensions; of a matrix both may be left out.
---@param dim_a? integer
---@param dim_b? integer
---@return rmkv.Tensor
function Tensor:transpose(dim_a, dim_b) end

---Reorders the dimensions.
---@param order integer[]|integer each dimension once
---@param ... any
---@return rmkv.Tensor
function Tensor:permute(order, ...) end

---Drops dimensions of size 1.
---@param dim? integer
---@return rmkv.Tensor
function Tensor:squeeze(dim) end

---Inserts a dimension of size 1.
---@param dim integer from 1, or from -1 backwards
---@return rmkv.Tensor
function Tensor:unsqueeze(dim) end

---Reverses a dimension.
---@param dim integer from 1, or from -1 backwards
---@return rmkv.Tensor
function Tensor:flip(dim) end

---Shifts a dimension round.
---@param shift integer
---@param dim integer from 1, or from -1 backwards
---@return rmkv.Tensor
function Tensor:roll(shift, dim) end

---Returns the part at one position of a dimension; a view.
---@param dim integer from 1, or from -1 backwards
---@param position integer
---@return rmkv.Tensor
function Tensor:select(dim, position) end

---Returns a range of a dimension; a view.
---@param dim integer from 1, or from -1 backwards
---@param first integer
---@param count integer
---@return rmkv.Tensor
function Tensor:narrow(dim, first, count) end

---Returns the given positions of a dimension.
---@param dim integer from 1, or from -1 backwards
---@param positions integer[]|integer|rmkv.Tensor from 1
---@return rmkv.Tensor
function Tensor:index_select(dim, positions) end

---Takes one element per position along a dimension.
---@param dim integer from 1, or from -1 backwards
---@param positions rmkv.Tensor int64, from 1
---@return rmkv.Tensor
function Tensor:gather(dim, positions) end

---Returns the rows of a [V, C] table for token ids (from 0).
---@param ids integer[]|integer|rmkv.Tensor
---@return rmkv.Tensor
function Tensor:rows(ids) end

---Returns the elements where a mask holds, as one row.
---@param mask rmkv.Tensor bool
---@return rmkv.Tensor
function Tensor:masked_select(mask) end

---Replaces elements where a mask holds.
---@param mask rmkv.Tensor bool
---@param value number
---@return rmkv.Tensor
function Tensor:masked_fill(mask, value) end

---Returns the number, or the part, at leading positions.
---@param ... any
---@return number|boolean|rmkv.Tensor
function Tensor:at(...) end

---Writes at leading positions, in place.
---@param value number|boolean|rmkv.Tensor
---@param ... any
---@return rmkv.Tensor # the object
function Tensor:put(value, ...) end

---Takes the elements of another tensor, in place.
---@param source rmkv.Tensor
---@return rmkv.Tensor # the object
function Tensor:copy(source) end

---Sets every element, in place.
---@param value number
---@return rmkv.Tensor # the object
function Tensor:fill(value) end

---Cuts a dimension into pieces of a length; views.
---@param length integer
---@param dim? integer
---@return table # of Tensor
function Tensor:split(length, dim) end

---Turns ids (from 0) into rows with a single 1.
---@param classes integer
---@return rmkv.Tensor # fp32 [.., classes]
function Tensor:one_hot(classes) end

---Negates.
---@return rmkv.Tensor
function Tensor:neg() end

---Takes absolute values.
---@return rmkv.Tensor
function Tensor:abs() end

---Takes signs: -1, 0 or 1.
---@return rmkv.Tensor
function Tensor:sign() end

---Takes exponentials.
---@return rmkv.Tensor
function Tensor:exp() end

---Takes natural logarithms.
---@return rmkv.Tensor
function Tensor:log() end

---Takes log(1 + x).
---@return rmkv.Tensor
function Tensor:log1p() end

---Takes square roots.
---@return rmkv.Tensor
function Tensor:sqrt() end

---Takes 1 / sqrt(x).
---@return rmkv.Tensor
function Tensor:rsqrt() end

---Takes squares.
---@return rmkv.Tensor
function Tensor:square() end

---Takes 1 / x.
---@return rmkv.Tensor
function Tensor:reciprocal() end

---Takes sines.
---@return rmkv.Tensor
function Tensor:sin() end

---Takes cosines.
---@return rmkv.Tensor
function Tensor:cos() end

---Takes hyperbolic tangents.
---@return rmkv.Tensor
function Tensor:tanh() end

---Takes 1 / (1 + exp(-x)).
---@return rmkv.Tensor
function Tensor:sigmoid() end

---Takes max(x, 0).
---@return rmkv.Tensor
function Tensor:relu() end

---Takes the Gaussian error linear unit.
---@return rmkv.Tensor
function Tensor:gelu() end

---Takes x sigmoid(x).
---@return rmkv.Tensor
function Tensor:silu() end

---Takes log(1 + exp(x)).
---@return rmkv.Tensor
function Tensor:softplus() end

---Rounds down.
---@return rmkv.Tensor
function Tensor:floor() end

---Rounds up.
---@return rmkv.Tensor
function Tensor:ceil() end

---Rounds to the nearest, halves to even.
---@return rmkv.Tensor
function Tensor:round() end

---Tells where elements are NaN.
---@return rmkv.Tensor
function Tensor:isnan() end

---Tells where elements are neither NaN nor infinite.
---@return rmkv.Tensor
function Tensor:isfinite() end

---Turns true into false and back.
---@return rmkv.Tensor
function Tensor:logical_not() end

---Adds.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:add(other) end

---Subtracts.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:sub(other) end

---Multiplies element by element.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:mul(other) end

---Divides; whole numbers give fp32.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:div(other) end

---Raises to a power.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:pow(other) end

---Takes the remainder with the sign of the divisor.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:remainder(other) end

---Takes the larger of each pair.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:maximum(other) end

---Takes the smaller of each pair.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:minimum(other) end

---Tells where elements are equal.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:eq(other) end

---Tells where elements differ.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:ne(other) end

---Tells where elements are smaller.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:lt(other) end

---Tells where elements are smaller or equal.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:le(other) end

---Tells where elements are larger.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:gt(other) end

---Tells where elements are larger or equal.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:ge(other) end

---Tells where both hold.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:logical_and(other) end

---Tells where either holds.
---
---Raises when shapes do not broadcast
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor
function Tensor:logical_or(other) end

---Limits elements to a range.
---
---Raises when high is below low
---@param low number
---@param high number
---@return rmkv.Tensor
function Tensor:clamp(low, high) end

---Goes a part of the way to another tensor.
---@param other rmkv.Tensor
---@param weight number
---@return rmkv.Tensor
function Tensor:lerp(other, weight) end

---Adds, in place.
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor # the object
function Tensor:add_in_place(other) end

---Multiplies element by element, in place.
---@param other rmkv.Tensor|number broadcast
---@return rmkv.Tensor # the object
function Tensor:mul_in_place(other) end

---Adds up.
---@param dim? integer from 1, or from -1 backwards
---@return number|rmkv.Tensor # a number without dim
function Tensor:sum(dim) end

---Takes the mean.
---@param dim? integer from 1, or from -1 backwards
---@return number|rmkv.Tensor # a number without dim
function Tensor:mean(dim) end

---Multiplies up.
---@param dim? integer from 1, or from -1 backwards
---@return number|rmkv.Tensor # a number without dim
function Tensor:prod(dim) end

---Takes the sample standard deviation (n - 1).
---@param dim? integer from 1, or from -1 backwards
---@return number|rmkv.Tensor # a number without dim
function Tensor:std(dim) end

---Takes the sample variance (n - 1).
---@param dim? integer from 1, or from -1 backwards
---@return number|rmkv.Tensor # a number without dim
function Tensor:var(dim) end

---Takes log(sum(exp(x))) without overflow.
---@param dim? integer from 1, or from -1 backwards
---@return number|rmkv.Tensor # a number without dim
function Tensor:logsumexp(dim) end

---Tells whether any element is not zero.
---@param dim? integer from 1, or from -1 backwards
---@return boolean|rmkv.Tensor
function Tensor:any(dim) end

---Tells whether every element is not zero.
---@param dim? integer from 1, or from -1 backwards
---@return boolean|rmkv.Tensor
function Tensor:all(dim) end

---Counts the elements that are not zero.
---@param dim? integer from 1, or from -1 backwards
---@return number|rmkv.Tensor # a number without dim
function Tensor:count_nonzero(dim) end

---Takes the largest element.
---
---Raises when there is no element
---@param dim? integer from 1, or from -1 backwards
---@return number|rmkv.Tensor # a number without dim
---@return rmkv.Tensor? positions # from 1; only with dim
function Tensor:max(dim) end

---Takes the smallest element.
---
---Raises when there is no element
---@param dim? integer from 1, or from -1 backwards
---@return number|rmkv.Tensor # a number without dim
---@return rmkv.Tensor? positions # from 1; only with dim
function Tensor:min(dim) end

---Finds the position of the largest element (a token id is the position minus 1).
---
---Raises when there is no element
---@param dim? integer from 1, or from -1 backwards
---@return integer|rmkv.Tensor # from 1
function Tensor:argmax(dim) end

---Finds the position of the smallest element.
---
---Raises when there is no element
---@param dim? integer from 1, or from -1 backwards
---@return integer|rmkv.Tensor # from 1
function Tensor:argmin(dim) end

---Takes the p-norm.
---@param order? number
---@param dim? integer from 1, or from -1 backwards
---@return number|rmkv.Tensor # a number without dim
function Tensor:norm(order, dim) end

---Adds up from the start along a dimension.
---@param dim integer from 1, or from -1 backwards
---@return rmkv.Tensor
function Tensor:cumsum(dim) end

---Sorts along a dimension; equal elements keep their order.
---@param dim integer from 1, or from -1 backwards
---@param descending? boolean
---@return rmkv.Tensor values
---@return rmkv.Tensor positions # from 1
function Tensor:sort(dim, descending) end

---Finds the k largest elements along a dimension, largest first.
---
---Raises when k is larger than the dimension
---@param k integer
---@param dim? integer
---@return rmkv.Tensor values
---@return rmkv.Tensor positions # from 1
function Tensor:topk(k, dim) end

---Finds the value below which a share of all elements lies (linear between neighbours).
---@param share number
---@return number
function Tensor:quantile(share) end

---Finds the different elements, sorted, and how often each occurs.
---@return rmkv.Tensor values
---@return rmkv.Tensor counts # int64
function Tensor:unique() end

---Counts how often each whole number from 0 occurs.
---@param least? integer length of the result at least
---@return rmkv.Tensor # int64
function Tensor:bincount(least) end

---Tells whether dtype, shape and every element are equal.
---@param other rmkv.Tensor
---@return boolean
function Tensor:equal(other) end

---Tells whether shapes are equal and elements differ by at most atol + rtol |other|.
---@param other rmkv.Tensor
---@param rtol? number
---@param atol? number
---@return boolean
function Tensor:close(other, rtol, atol) end

---Takes the largest absolute difference.
---
---Raises when shapes differ
---@param other rmkv.Tensor
---@return number
function Tensor:difference(other) end

---Multiplies matrices, or batches of them.
---
---Raises when the inner sizes differ
---@param other rmkv.Tensor
---@return rmkv.Tensor
function Tensor:matmul(other) end

---Adds up the products of the elements.
---
---Raises when shapes differ
---@param other rmkv.Tensor
---@return number
function Tensor:dot(other) end

---Multiplies every element with every other: [n], [m] to [n, m].
---@param other rmkv.Tensor
---@return rmkv.Tensor
function Tensor:outer(other) end

---Takes the cosine between vectors along a dimension.
---@param other rmkv.Tensor
---@param dim? integer
---@return rmkv.Tensor
function Tensor:cosine(other, dim) end

---Takes the diagonal of a matrix, or makes a matrix of one.
---@param diagonal? integer 0 is the main one, positive above
---@return rmkv.Tensor
function Tensor:diagonal(diagonal) end

---Adds up the diagonal of a matrix.
---@return number
function Tensor:trace() end

---Keeps the lower triangle.
---@param diagonal? integer 0 is the main one, positive above
---@return rmkv.Tensor
function Tensor:lower(diagonal) end

---Keeps the upper triangle.
---@param diagonal? integer 0 is the main one, positive above
---@return rmkv.Tensor
function Tensor:upper(diagonal) end

---Inverts a square matrix.
---
---Raises when it is singular
---@return rmkv.Tensor
function Tensor:inverse() end

---Takes the determinant of a square matrix.
---@return number
function Tensor:determinant() end

---Solves A X = B.
---
---Raises when A is singular
---@param b rmkv.Tensor
---@return rmkv.Tensor
function Tensor:solve(b) end

---Decomposes a matrix as U diag(S) V^T.
---@return rmkv.Tensor u
---@return rmkv.Tensor s
---@return rmkv.Tensor v
function Tensor:svd() end

---Decomposes a matrix as Q R.
---@return rmkv.Tensor q
---@return rmkv.Tensor r
function Tensor:qr() end

---Tells how many directions the rows of a matrix use (Roy and Vetterli 2007).
---@return number
function Tensor:effective_rank() end

---Turns logits into probabilities along a dimension.
---@param dim? integer
---@return rmkv.Tensor
function Tensor:softmax(dim) end

---Turns logits into log-probabilities along a dimension.
---@param dim? integer
---@return rmkv.Tensor
function Tensor:log_softmax(dim) end

---Takes the entropy of softmax(x) along a dimension, in nats.
---@param dim? integer
---@return rmkv.Tensor
function Tensor:entropy(dim) end

---Takes the mean cross entropy of logits [.., V] in nats; label -100 does not count.
---
---Raises when a label is outside the vocabulary
---@param labels integer[]|integer|rmkv.Tensor token ids from 0, one for each row
---@return number
function Tensor:cross_entropy(labels) end

---Normalises the last dimension to mean 0 and variance 1.
---@param epsilon? number
---@return rmkv.Tensor
function Tensor:layer_norm(epsilon) end

---Divides the last dimension by its root mean square.
---@param epsilon? number
---@return rmkv.Tensor
function Tensor:rms_norm(epsilon) end

---@class Tensor.sample.options
---@field temperature? number 0 takes the likeliest (default 1)
---@field seed? integer  (default 0)
---@field step? integer another draw of the same seed (default 0)

---Draws token ids (from 0) from logits [V] or [B, V].
---@param options? Tensor.sample.options
---@return integer|rmkv.Tensor
function Tensor:sample(options) end

---text to token ids and back, training a vocabulary
rmkv.tokenizer = {}

---Reads a tokenizer.json, a tiktoken rank file, a World vocabulary, or a folder with one of them or vocab.json and merges.txt.
---
---Raises when the file is missing, damaged, or asks for what is not supported
---@param path string
---@return rmkv.Tokenizer
function rmkv.tokenizer.load(path) end

---Reads the text of a tokenizer.json.
---
---Raises as load
---@param json string
---@param name? string opens the message of an error
---@return rmkv.Tokenizer
function rmkv.tokenizer.parse(json, name) end

---Reads the pair of files that GPT-2 came with.
---
---Raises as load
---@param vocab string vocab.json
---@param merges string merges.txt
---@return rmkv.Tokenizer
function rmkv.tokenizer.load_gpt2(vocab, merges) end

---Makes a tokenizer of bytes: ids 0..255, then the special tokens.
---@param special? boolean with the special tokens
---@return rmkv.Tokenizer
function rmkv.tokenizer.bytes(special) end

---Makes a tokenizer of printable ASCII characters.
---@return rmkv.Tokenizer
function rmkv.tokenizer.ascii() end

---Makes a tokenizer of the characters of a text.
---@param text string
---@return rmkv.Tokenizer
function rmkv.tokenizer.characters(text) end

---@class rmkv.tokenizer.trainer.options
---@field vocab_size? integer special tokens + 256 bytes + merges (default 8192)
---@field min_frequency? integer a pair seen less often is not merged (default 2)
---@field pattern? string how text is split before merging (default "llama3")
---@field threads? integer for counting (default 1)
---@field alphabet? string characters: rare ones fall back to bytes (default "bytes")
---@field coverage? number characters for so much of the text (default 0.9995)
---@field max_characters? integer and no more than so many (default 4096)
---@field shares? table shares of the vocabulary by source (default every byte weighs the same)
---@field special_tokens? table the first ids, in this order (default <think> </think> <start> <end> <pad> <unk>)

---Opens the training of a byte-level BPE vocabulary.
---@param options? rmkv.tokenizer.trainer.options
---@return rmkv.TokenizerTrainer
function rmkv.tokenizer.trainer(options) end

---Counts the words of one document.
---@param text string
---@param share? integer which of the shares it belongs to
function TokenizerTrainer:add(text, share) end

---Counts documents spread over a source; bad ones are passed over.
---
---Raises when an endless source is given without limit
---@param source rmkv.Source
---@param limit_bytes? number stop after about so much
---@param limit_documents? number stop after so many
---@param share? integer which of the shares it belongs to
---@return integer # bytes added
function TokenizerTrainer:add_source(source, limit_bytes, limit_documents, share) end

---Finds the merges of everything added so far.
---@return rmkv.Tokenizer
function TokenizerTrainer:train() end

---Returns the bytes added.
---@return integer
function TokenizerTrainer:bytes() end

---Returns the documents added.
---@return integer
function TokenizerTrainer:documents() end

---@class Tokenizer.encode.options
---@field special? boolean special tokens written in the text become their ids (default true)
---@field template? boolean with what the file puts before and behind a text (default false)
---@field fit? boolean with the truncation and padding of the file (default false)
---@field dropout? number BPE merges passed over with this probability (default as the file says)
---@field seed? integer for dropout (default 0)
---@field threads? integer for one long text; the ids do not depend on it (default 1)

---Turns text into ids.
---@param text string any bytes
---@param options? Tokenizer.encode.options
---@return table # ids from 0
function Tokenizer:encode(text, options) end

---@class Tokenizer.encode_tensor.options
---@field special? boolean special tokens written in the text become their ids (default true)
---@field template? boolean with what the file puts before and behind a text (default false)
---@field fit? boolean with the truncation and padding of the file (default false)
---@field dropout? number BPE merges passed over with this probability (default as the file says)
---@field seed? integer for dropout (default 0)
---@field threads? integer for one long text; the ids do not depend on it (default 1)

---Turns text into ids in a tensor.
---@param text string any bytes
---@param options? Tokenizer.encode_tensor.options
---@return rmkv.Tensor # int64 [n]
function Tokenizer:encode_tensor(text, options) end

---@class Tokenizer.encode_bytes.options
---@field special? boolean special tokens written in the text become their ids (default true)
---@field template? boolean with what the file puts before and behind a text (default false)
---@field fit? boolean with the truncation and padding of the file (default false)
---@field dropout? number BPE merges passed over with this probability (default as the file says)
---@field seed? integer for dropout (default 0)
---@field threads? integer for one long text; the ids do not depend on it (default 1)

---Turns text into ids written as bytes, for pipes and files.
---@param text string any bytes
---@param format string
---@param options? Tokenizer.encode_bytes.options
---@return string
---@return integer # ids
---@return number # seconds
function Tokenizer:encode_bytes(text, format, options) end

---@class Tokenizer.encode_lines.options
---@field special? boolean special tokens written in the text become their ids (default true)
---@field template? boolean with what the file puts before and behind a text (default false)
---@field fit? boolean with the truncation and padding of the file (default false)
---@field dropout? number BPE merges passed over with this probability (default as the file says)
---@field seed? integer for dropout (default 0)
---@field threads? integer for one long text; the ids do not depend on it (default 1)

---Turns lines of JSON strings into lines of arrays of ids.
---
---Raises on a line that is no JSON string
---@param lines string whole lines
---@param first_line integer number of the first line in messages
---@param options? Tokenizer.encode_lines.options
---@return string
function Tokenizer:encode_lines(lines, first_line, options) end

---@class Tokenizer.decode_bytes.options
---@field skip_special? boolean leave special tokens out (default false)

---Turns ids written as bytes into text.
---
---Raises on what is no id of the vocabulary
---@param bytes string
---@param format string
---@param options? Tokenizer.decode_bytes.options
---@return string
function Tokenizer:decode_bytes(bytes, format, options) end

---@class Tokenizer.decode_lines.options
---@field skip_special? boolean leave special tokens out (default false)

---Turns lines of arrays of ids into lines of JSON strings.
---
---Raises as decode_bytes
---@param lines string whole lines
---@param first_line integer number of the first line in messages
---@param options? Tokenizer.decode_lines.options
---@return string
function Tokenizer:decode_lines(lines, first_line, options) end

---@class Tokenizer.decode.options
---@field skip_special? boolean leave special tokens out (default false)

---Turns ids into text.
---
---Raises on an id outside the vocabulary
---@param ids integer[]|integer|rmkv.Tensor
---@param options? Tokenizer.decode.options
---@return string
function Tokenizer:decode(ids, options) end

---Returns the id of a special token.
---
---Raises when there is none of that name
---@param name string "<end>"
---@return integer
function Tokenizer:special(name) end

---Tells whether there is a special token of that name.
---@param name string
---@return boolean
function Tokenizer:has_special(name) end

---Tells whether an id is a special token.
---@param id integer from 0
---@return boolean
function Tokenizer:is_special(id) end

---Returns the bytes of a token.
---@param id integer from 0
---@return string # empty for an unused id
function Tokenizer:token(id) end

---Returns the id of a token's bytes.
---@param bytes string
---@return integer? # nil when there is none
function Tokenizer:id(bytes) end

---Returns one more than the largest id.
---@return integer
function Tokenizer:vocab_size() end

---Returns "bpe", "bytes", "unigram", "wordpiece", "words", "characters" or "world".
---@return string
function Tokenizer:kind() end

---Returns a hash of everything the tokenizer is.
---@return string
function Tokenizer:fingerprint() end

---Returns the text of a tokenizer.json.
---@return string
function Tokenizer:to_json() end

---Writes a tokenizer.json atomically.
---
---Raises when it cannot be written
---@param path string
function Tokenizer:save(path) end

---@class Tokenizer.decoder.options
---@field skip_special? boolean leave special tokens out (default false)

---Makes a decoder for tokens that come one at a time.
---@param options? Tokenizer.decoder.options
---@return rmkv.Decoder
function Tokenizer:decoder(options) end

---Takes a token and returns what can be shown now.
---
---Raises on an id outside the vocabulary
---@param id integer from 0
---@return string
function Decoder:push(id) end

---Returns the bytes held back.
---@return string
function Decoder:flush() end

---building, inspecting and probing models
rmkv.model = {}

---@class rmkv.model.create.options
---@field seed? integer of the initial parameters (default 0)
---@field dtype? string of the parameters: fp32 or fp64 (default "fp32")
---@field device? string  (default "cpu")

---Builds a model from its configuration, with fresh parameters.
---
---Raises on an unknown key, naming the nearest, or a value out of range
---@param config table architecture, vocabulary and the architecture's own keys
---@param options? rmkv.model.create.options
---@return rmkv.Model
function rmkv.model.create(config, options) end

---@class rmkv.model.load.options
---@field device? string  (default "cpu")
---@field dtype? string of the parameters: fp32 or fp64 (default "fp32")
---@field weights? string packed for inference, RWKV only: fp32, bf16, fp16, q8_0, .., "stored" as in the file, "auto" stored where it is RWKV; without it a trainable model
---@field head? string the same for the head of packed weights alone; beside 8 bits and less it has 16
---@field threads? integer of packed weights; 0: as the program (default 0)

---Loads a model from a checkpoint folder, a run folder, a file of the original program or an RWKV model file: .pth, safetensors (also sharded), rwkv.cpp, GGUF.
---
---Raises naming the file and the tensor that is missing, unknown or misshapen
---@param path string
---@param options? rmkv.model.load.options
---@return rmkv.Model
---@return table about # {path, format, names, tokenizer, facts}
function rmkv.model.load(path, options) end

---Returns the configuration of a named size, without its vocabulary.
---
---Raises on an unknown name
---@param architecture string "rmkv"
---@param name string "tiny", "small", "base", "1b"
---@return table
function rmkv.model.preset(architecture, name) end

---Lists the named sizes.
---@return table
function rmkv.model.presets() end

---Returns what is fixed for life.
---@return table # architecture, vocabulary, channels, layers, segment_tokens, any_split, warning (or empty), parameters, dtype, device
function Model:facts() end

---Returns the complete configuration; create(config) builds the same architecture.
---@return table
function Model:config() end

---Makes the state before the first token.
---@param lanes? integer
---@return rmkv.State
function Model:state(lanes) end

---@class Model.forward.options
---@field dtype? string of products: fp32, bf16 or fp64 (default "fp32")

---Advances a state over tokens, without gradients.
---
---Raises when ids or lanes do not fit
---@param tokens integer[]|integer|rmkv.Tensor ids from 0: a list, a list of lists, or int64 [B, T]
---@param state rmkv.State advances in place
---@param options? Model.forward.options
---@return rmkv.Tensor hidden # [B, T, C], normalised
function Model:forward(tokens, state, options) end

---@class Model.logits.options
---@field dtype? string of products: fp32, bf16 or fp64 (default "fp32")

---Advances a state over tokens and applies the head.
---
---Raises when ids or lanes do not fit
---@param tokens integer[]|integer|rmkv.Tensor ids from 0: a list, a list of lists, or int64 [B, T]
---@param state rmkv.State advances in place
---@param options? Model.logits.options
---@return rmkv.Tensor logits # fp32 [B, T, V]
function Model:logits(tokens, state, options) end

---Applies the head to hidden rows.
---
---Raises when the last size is not C
---@param hidden rmkv.Tensor [.., C]
---@return rmkv.Tensor logits # fp32 [.., V]
function Model:head(hidden) end

---@class Model.flush.options
---@field dtype? string of products: fp32, bf16 or fp64 (default "fp32")

---Commits the open segment to memory now: a different computation from going on.
---@param state rmkv.State advances in place
---@param options? Model.flush.options
function Model:flush(state, options) end

---Lists the names of the probes.
---@return table
function Model:probes() end

---Reads a probe of a state.
---
---Raises on an unknown name, naming the nearest
---@param name string one of probes()
---@param state rmkv.State
---@return rmkv.Tensor
function Model:probe(name, state) end

---Lists the tensors of a state that hold long-term memory.
---@param state rmkv.State
---@return table
function Model:memory_names(state) end

---Lists the parameters.
---@return table # { name, shape, group, frozen, count }
function Model:parameters() end

---Returns a parameter; writing into it changes the model.
---
---Raises on an unknown name, naming the nearest
---@param name string "layers.3.attention.qkv.weight"
---@return rmkv.Tensor
function Model:parameter(name) end

---Returns the gradient of a parameter from the last step.
---
---Raises on an unknown name
---@param name string "layers.3.attention.qkv.weight"
---@return rmkv.Tensor?
---@return string? message
function Model:gradient(name) end

---Replaces the values of a parameter.
---
---Raises on an unknown name or another shape
---@param name string "layers.3.attention.qkv.weight"
---@param value rmkv.Tensor of its shape
function Model:set_parameter(name, value) end

---Excludes parameters from training, or takes them in again.
---@param pattern string a Lua pattern or a name
---@param frozen? boolean
---@return integer # parameters that fitted
function Model:freeze(pattern, frozen) end

---Copies parameters in by name; nothing is written when one is missing, unknown or misshapen.
---
---Raises listing what does not fit
---@param values table name = Tensor
function Model:load_values(values) end

---Loads parameters from a safetensors file.
---
---Raises when the file is damaged or does not fit
---@param path string
function Model:load(path) end

---Writes the parameters to a safetensors file.
---
---Raises when it cannot be written
---@param path string
---@return string # hash of the file
function Model:save(path) end

---Returns a hash of all parameters: equal for equal bits.
---@return string
function Model:fingerprint() end

---RWKV model files of this and other programs
rmkv.weights = {}

---Tells what a file is and what is in it, without loading the model.
---
---Raises naming the file and what is wrong with it
---@param from string a model file or folder, or a checkpoint of RWKV
---@return table # {format, names, config, types, parameters, bytes, tensor_count, tensors = {{name, type, shape}}}
function rmkv.weights.describe(from) end

---Lists the formats that can be written.
---@return table
function rmkv.weights.formats() end

---@class rmkv.weights.convert.options
---@field format? string one of formats() (default "safetensors")
---@field dtype? string of the matrices: fp32, fp16, bf16, q8_0, ..
---@field shard_bytes? number safetensors: size of a shard (default 5e9)

---Writes a model file in another format or number type.
---
---Raises when the source is damaged or the format cannot hold the model
---@param from string a model file or folder, or a checkpoint of RWKV
---@param to string path of the new file
---@param options? rmkv.weights.convert.options
---@param progress? function called with bytes written and bytes to write
---@return table paths # the files written, the one to load last
---@return table about # what the source is
function rmkv.weights.convert(from, to, options, progress) end

---inference engines of random weights, for measuring
rmkv.engine = {}

---@class rmkv.engine.write_random.options
---@field weights? string fp32, fp16, bf16, q8_0, q5_1, q5_0, q4_1 or q4_0 (default "fp32")
---@field seed? integer of the weights (default 0)

---Writes a model file of an RWKV shape with random weights: safetensors, of blocks rwkv.cpp's format.
---
---Raises on an unknown key, or a value out of range
---@param config table as for rmkv.model.create
---@param path string
---@param options? rmkv.engine.write_random.options
function rmkv.engine.write_random(config, path, options) end

---Returns what an engine reads and holds; nil for a model for training.
---@param model rmkv.Model
---@return table? # step_bytes (weights read for a token and its logits), prefill_multiplications (a token without logits), weight_bytes, threads
---@return string? message
function rmkv.engine.facts(model) end

---Decodes some tokens from an empty state, each with its logits, and returns the seconds; one token before them is not counted.
---@param model rmkv.Model
---@param tokens integer
---@param general? boolean by the form that takes any block, not the one for single tokens
---@return number # seconds
function rmkv.engine.decode(model, tokens, general) end

---Measures the machine: takes about half a second.
---@param threads? integer
---@return table # read_bandwidth in bytes a second; fp32, bf16, int8: additions and multiplications a second
function rmkv.engine.machine(threads) end

---what a model remembers, as a value; states are made by Model:state and Session:state
rmkv.state = {}

---Reads a saved state.
---
---Raises when the file is missing, damaged or something else
---@param path string
---@return rmkv.State
function rmkv.state.load(path) end

---Puts the lanes of several states side by side.
---
---Raises when they differ
---@param states table with equal names and counters
---@return rmkv.State
function rmkv.state.join(states) end

---Copies; tensors are shared until one side changes.
---@return rmkv.State
function State:copy() end

---Lists the tensors.
---@return table
function State:names() end

---Returns a copy of a tensor.
---
---Raises on an unknown name, naming the nearest
---@param name string one of names()
---@return rmkv.Tensor # [B, ..]
function State:get(name) end

---Replaces a tensor by one of its shape.
---
---Raises on an unknown name or another shape
---@param name string one of names()
---@param value rmkv.Tensor
function State:set(name, value) end

---Sets tensors to zero.
---
---Raises on an unknown name
---@param names? string|table
function State:zero(names) end

---Returns the counters.
---@return table # name = integer
function State:counters() end

---Sets a counter.
---@param name string
---@param value integer
function State:set_counter(name, value) end

---Returns some lanes as a state of their own.
---
---Raises beyond the last lane
---@param first integer from 1
---@param count? integer
---@return rmkv.State
function State:lanes(first, count) end

---Writes the lanes of another state into this one.
---
---Raises when lanes or shapes do not fit
---@param lanes table places, from 1
---@param source rmkv.State as many lanes
function State:assign_lanes(lanes, source) end

---Tells whether names, counters and bits are equal.
---@param other rmkv.State
---@return boolean
function State:equals(other) end

---Returns the largest absolute difference of each tensor that both have.
---@param other rmkv.State
---@return table # name = number
function State:difference(other) end

---Returns the number of lanes.
---@return integer
function State:batch() end

---Returns the bytes of all tensors.
---@return integer
function State:bytes() end

---Writes a safetensors file atomically.
---
---Raises when it cannot be written
---@param path string
---@return string # hash of the file
function State:save(path) end

---Writes an RWKV state in rwkv.cpp's layout: raw float32, per layer the shifted rows of channel mix and time mix, then the memory.
---
---Raises when the state is not an RWKV model's
---@param path string
function State:save_flat(path) end

---Reads what save_flat or rwkv.cpp wrote into this state.
---
---Raises when the file is missing or of another size
---@param path string
function State:load_flat(path) end

---optimisers
rmkv.optim = {}

---@class rmkv.optim.adamw.options
---@field betas? table { beta1, beta2 } (default the model's)
---@field eps? number  (default the model's)
---@field state? string how moments of large matrices are kept: fp32, bf16 or 8bit (default "fp32")
---@field weight_decay? number of matrices (default 0.1)
---@field groups? table matrix, vector, gate, embedding = { lr_scale =, weight_decay =, frozen = } (default the model's)

---Makes an AdamW optimiser for a model; the learning rate comes with each step.
---
---Raises on an unknown group or key, naming the nearest
---@param model rmkv.Model
---@param options? rmkv.optim.adamw.options
---@return rmkv.Optimizer
function rmkv.optim.adamw(model, options) end

---@class rmkv.optim.muon.options
---@field betas? table { beta1, beta2 } (default the model's)
---@field eps? number  (default the model's)
---@field state? string how moments of large matrices are kept: fp32, bf16 or 8bit (default "fp32")
---@field weight_decay? number of matrices (default 0.1)
---@field groups? table matrix, vector, gate, embedding = { lr_scale =, weight_decay =, frozen = } (default the model's)
---@field momentum? number  (default 0.95)
---@field iterations? integer of Newton-Schulz (default 5)

---Makes a Muon optimiser: matrices move by their orthogonal momentum, the rest by AdamW; rates are AdamW's.
---
---Raises on an unknown group or key, naming the nearest
---@param model rmkv.Model
---@param options? rmkv.optim.muon.options
---@return rmkv.Optimizer
function rmkv.optim.muon(model, options) end

---Returns the complete options.
---@return table
function Optimizer:options() end

---Changes options; the moments stay, converted where their state changes.
---
---Raises on an unknown key
---@param options table as given when it was made
function Optimizer:set_options(options) end

---Returns the number of updates made.
---@return integer
function Optimizer:updates() end

---Returns the number of updates skipped.
---@return integer
function Optimizer:skips() end

---Returns copies of the moments.
---@return table # name = Tensor
function Optimizer:state() end

---Puts saved moments back; those of another state are converted.
---
---Raises listing what does not fit, before anything is written
---@param state table name = Tensor
function Optimizer:load_state(state) end

---sources of documents and the streams of batches made from them
rmkv.data = {}

---Opens a file, a folder or a data set of the hub as a source: text, JSON lines, CSV, TSV (also .gz, .zst), parquet, .npy, .bin, hub:owner/name[@rev][:config/split].
---
---Raises when nothing is there or all is empty, and on an unknown option
---@param path string
---@param options? table name; cache; filters (see rmkv.data.filtered); watch = true and journal = FILE: files that come into the folder are read before any other again; text: split (pieces, file, paragraphs), document_bytes, special_tokens; rows: text, prompt (templates with {field}), mask_prompt, parts, messages, special_tokens
---@return rmkv.Source
function rmkv.data.open(path, options) end

---@class rmkv.data.lua.options
---@field name? string  (default of the file)
---@field seed? integer  (default 1)
---@field options? table replace the source's defaults (default {})

---Opens a Lua source: a file that returns { document = function(index, seed, options) … }, or the name of a built-in one.
---
---Raises when the file fails or is no source
---@param path string "storyworld" or a file
---@param options? rmkv.data.lua.options
---@return rmkv.Source
function rmkv.data.lua(path, options) end

---Makes a source of texts in memory.
---
---Raises when the list is empty
---@param texts table
---@param name? string
---@return rmkv.Source
function rmkv.data.documents(texts, name) end

---@class rmkv.data.write_parquet.options
---@field group_rows? integer rows read together (default 1000)
---@field codec? string zstd, snappy, gzip, brotli, lz4_raw, uncompressed (default "zstd")

---Writes columns of texts as a parquet file.
---
---Raises when columns differ in length, and where Arrow is not there
---@param path string
---@param columns table { name = list of texts, … }
---@param options? rmkv.data.write_parquet.options
function rmkv.data.write_parquet(path, columns, options) end

---@class rmkv.data.filtered.options
---@field cache? string folder for the scan of dedup (default that of the user)

---Puts filters before a source: documents that a rule drops are passed over and counted; which ones is decided by the document alone.
---
---Raises on an unknown filter or threshold, and for dedup of a source without end
---@param source rmkv.Source
---@param filters table names or { name =, thresholds … }: gopher, gopher_quality, gopher_repetition, c4, fineweb, length { min, max, unit }, dedup
---@param options? rmkv.data.filtered.options
---@return rmkv.Source
function rmkv.data.filtered(source, filters, options) end

---Compares two manifests as they are in Lua.
---
---Raises when they differ: each file that is missing, new or changed is named
---@param saved table of the run so far
---@param current table
function rmkv.data.require_same(saved, current) end

---Returns the name.
---@return string
function Source:name() end

---Returns the number of documents.
---@return integer? # nil when there is no end, or only a pass over the data would tell
function Source:count() end

---Returns the text of a document.
---
---Raises beyond the last one, and on a damaged one
---@param index integer
---@return string
---@return string? rule # by which a filter drops it from streams
function Source:document(index) end

---Returns what the documents depend on.
---@return table
function Source:manifest() end

---Returns the hash of the manifest.
---@return string
function Source:fingerprint() end

---@class rmkv.data.stream.options
---@field sources table Sources, or { source =, weight = }: weights are shares of tokens
---@field tokenizer rmkv.Tokenizer
---@field segment_tokens integer
---@field lanes? integer documents read side by side (default 8)
---@field seed? integer  (default 1)
---@field pack_tokens? integer shorter documents are joined up to this; 0: never (default 512)
---@field packing? string join documents in order, or put those together that fit best (default "join")
---@field unit? string what weights are shares of (default "tokens")
---@field exhaustion? string at the end of a source: repeat it, stop all, or let the others go on (default "repeat")
---@field epochs? integer of each source, when it is not repeated (default 1)
---@field validation_share? number of the documents, held out by a hash of their key (default 0)
---@field threads? integer that read and encode ahead; 0: none (default 1)
---@field prefetch_tokens? integer read ahead, per source, about (default 1048576)
---@field bad_share? number of the documents may be bad before the stream fails (default 0.01)

---Makes the endless training stream.
---
---Raises when a source is empty or names repeat
---@param options rmkv.data.stream.options
---@return rmkv.Stream
function rmkv.data.stream(options) end

---@class rmkv.data.evaluation.options
---@field sources table Sources, or { source =, weight = }: weights are shares of tokens
---@field tokenizer rmkv.Tokenizer
---@field segment_tokens integer
---@field lanes? integer documents read side by side (default 8)
---@field split? string  (default "all")
---@field validation_share? number of the documents, held out by a hash of their key (default 0)
---@field max_tokens? integer no new document after so many; 0: all there are (default 0)
---@field threads? integer that read and encode ahead; 0: none (default 1)

---Makes a fixed finite pass over documents.
---
---Raises when the split holds no document
---@param options rmkv.data.evaluation.options
---@return rmkv.EvaluationStream
function rmkv.data.evaluation(options) end

---@class Stream.next.options
---@field segments? integer  (default 1)
---@field segment_tokens? integer  (default that of the stream)
---@field weights? table shares from here on: a list in the order of the sources, or { name = weight }; part of the cursor (default as before)
---@field reset_tokens? integer memory is also reset after so many tokens of a text; 0: only where a text begins (default 0)

---Returns the next segments of every lane.
---
---Raises when too many documents are bad
---@param options? Stream.next.options
---@return rmkv.Batch? # nil at the end of a stream that has one
---@return string? message
function Stream:next(options) end

---Sets other shares from here on; what was served before stays settled by the old ones.
---
---Raises when a source has none, or one that is not above 0
---@param weights table a list in the order of the sources, or { name = weight }
function Stream:set_weights(weights) end

---Returns where the stream stands after the last batch.
---@return table # a few integers
function Stream:cursor() end

---Goes to a cursor; reads no more than the documents that lanes are in.
---
---Raises when lanes, sources or seed are others
---@param cursor table from cursor()
function Stream:seek(cursor) end

---Returns what the order depends on: sources with files and hashes, weights, tokenizer, options.
---@return table
function Stream:manifest() end

---Returns counts so far: tokens, padding, real shares, bad documents.
---@return table
function Stream:report() end

---Returns the tokens served.
---@return integer
function Stream:tokens() end

---@class EvaluationStream.next.options
---@field segments? integer  (default 1)
---@field segment_tokens? integer  (default that of the stream)

---Returns the next segments of all lanes.
---@param options? EvaluationStream.next.options
---@return rmkv.Batch? # nil when the pass is over
---@return string? message
function EvaluationStream:next(options) end

---Begins the pass again.
function EvaluationStream:rewind() end

---Returns counts so far.
---@return table
function EvaluationStream:report() end

---@class rmkv.data.batch.options
---@field segment_tokens? integer  (default the whole row)

---Makes a batch from token ids: one document a row, labels the next tokens.
---
---Raises when rows are no whole segments
---@param tokens integer[]|integer|rmkv.Tensor [B, T]
---@param options? rmkv.data.batch.options
---@return rmkv.Batch
function rmkv.data.batch(tokens, options) end

---Returns the tokens.
---@return rmkv.Tensor # int64 [B, S*T]
function Batch:tokens() end

---Returns the labels; -100 is not trained.
---@return rmkv.Tensor # int64 [B, S*T]
function Batch:labels() end

---Returns the factor on each label's loss.
---@return rmkv.Tensor? # fp32 [B, S*T]; nil: all labels count once
function Batch:weights() end

---Returns the document of each token: its number in its source, -1 in padding.
---@return rmkv.Tensor # int64 [B, S*T]
function Batch:documents() end

---Returns the position of each token in its document, from 0.
---@return rmkv.Tensor # int64 [B, S*T]
function Batch:positions() end

---Returns where there is no padding.
---@return rmkv.Tensor? # bool [B, S*T]; nil: no padding at all
function Batch:valid() end

---Returns in which segments a document starts.
---@return rmkv.Tensor # bool [B, S]
function Batch:resets() end

---Returns the number of the source of each segment, from 0.
---@return rmkv.Tensor # int64 [B, S]
function Batch:sources() end

---training steps, evaluation, scores
rmkv.train = {}

---@class rmkv.train.trainer.options
---@field seed? integer of state passing (default 0)

---Makes a trainer, which holds the memory of the lanes between steps.
---
---Raises when the optimizer belongs to another model
---@param model rmkv.Model
---@param optimizer rmkv.Optimizer of that model
---@param options? rmkv.train.trainer.options
---@return rmkv.Trainer
function rmkv.train.trainer(model, optimizer, options) end

---@class Trainer.step.options
---@field lr? number learning rate of this step (default 1e-3)
---@field clip? number limit of the gradient norm; 0: off (default 1)
---@field bptt? integer segments a gradient runs through (default 4)
---@field dtype? string of products: fp32, bf16, or fp64 for fp64 models (default "fp32")
---@field replay? boolean recompute segments in backward: slower, less memory (default false)
---@field chunk_rows? integer rows of logits that exist at once; 0: chosen (default 0)
---@field z_loss? number weight of log(Z)^2 (default 0)
---@field l2_wrap? number pulls each row's largest logit to zero by this times its value (default 1e-4 for rwkv4 to rwkv7, else 0)
---@field spike? number a loss above this times its average skips the update; 0: off (default 0)
---@field state_passing? number probability of taking over another lane's memory (default 0)

---Makes one training step: forward, backward, clipping, update.
---
---Raises "interrupted" on Ctrl-C: parameters, moments and lanes are then as before
---@param batch rmkv.Batch
---@param options? Trainer.step.options
---@return rmkv.StepReport
function Trainer:step(batch, options) end

---Returns the number of steps made.
---@return integer
function Trainer:steps() end

---Returns the memory of the lanes after the last step.
---@return rmkv.State
function Trainer:lanes() end

---Replaces the memory of the lanes.
---@param lanes rmkv.State
function Trainer:set_lanes(lanes) end

---@class rmkv.train.evaluate.options
---@field dtype? string of products: fp32, bf16, or fp64 for fp64 models (default "fp32")
---@field max_tokens? integer stop after about so many; 0: all (default 0)
---@field memory? boolean also without, with foreign and with old memory (default true)
---@field ablations? table which of shuffled, zeroed, initial and stale; by default all
---@field ablate_every? integer segments between two that are ablated (default 1)
---@field stale_segments? integer how old the old memory is (default 4)
---@field segments? integer of a batch (default 8)
---@field seed? integer of the shuffling (default 0)

---Measures a model on a pass of documents, and what its memory is worth there.
---@param model rmkv.Model
---@param stream rmkv.EvaluationStream rewound first
---@param options? rmkv.train.evaluate.options
---@return table # loss, bits_per_byte, tokens, labels, bytes, sources = { name = {…} }, loss_by_age, memory = { shuffled, zeroed, initial, stale = { difference (nats per label, positive: memory helps), low, high, labels, samples } }, readings = { NAME = mean } of what tokens read and slots hold
function rmkv.train.evaluate(model, stream, options) end

---@class rmkv.train.memory_plan.options
---@field lanes? integer of a batch (default 8)
---@field segments? integer of a step (default 4)
---@field bptt? integer segments a gradient runs through (default 4)
---@field chunk_rows? integer rows of logits at once; 0: chosen (default 0)
---@field dtype? string of products: fp32, bf16, or fp64 for fp64 models (default "fp32")
---@field replay? boolean recompute segments in backward (default false)
---@field state? string of the moments: fp32, bf16 or 8bit (default "fp32")
---@field optimizer? string adamw or muon (default "adamw")

---Computes what a training step of a model will hold, without making it.
---
---Raises on an unknown key
---@param config table as for rmkv.model.create, with its vocabulary
---@param options? rmkv.train.memory_plan.options
---@return table # count (of parameters), and in bytes parameters, gradients, copies, moments, codes (of a store), activations (segment: one segment's graph; plain_activations, replay_activations: either way; 0: not known for this architecture), head, total
function rmkv.train.memory_plan(config, options) end

---@class rmkv.train.score.options
---@field dtype? string of products: fp32, bf16, or fp64 for fp64 models (default "fp32")

---Returns log-probabilities of continuations of a context.
---
---Raises on an empty context or continuation
---@param model rmkv.Model
---@param context integer[]|integer|rmkv.Tensor ids, at least one
---@param continuations table lists of ids, each at least one
---@param options? rmkv.train.score.options
---@return table # nats, one for each
function rmkv.train.score(model, context, continuations, options) end

---sessions, texts in the making
rmkv.sample = {}

---@class rmkv.sample.session.options
---@field temperature? number 0: always the likeliest token (default 1)
---@field top_k? integer of so many likeliest; 0: off (default 0)
---@field top_p? number of the likeliest that hold this share; 1: off (default 1)
---@field min_p? number drop tokens below this share of the likeliest; 0: off (default 0)
---@field typical_p? number 1: off (default 1)
---@field top_n_sigma? number deviations of the logits below the largest; 0: off (default 0)
---@field repetition_penalty? number 1: off (default 1)
---@field presence_penalty? number  (default 0)
---@field frequency_penalty? number  (default 0)
---@field penalty_window? integer looked back at (default 64)
---@field dry_multiplier? number 0: off (default 0)
---@field dry_base? number  (default 1.75)
---@field dry_allowed_length? integer repeats up to this length are free (default 2)
---@field dry_window? integer looked back at (default 1024)
---@field xtc_probability? number 0: off (default 0)
---@field xtc_threshold? number  (default 0.1)
---@field bias? table { {id, number}, … } added to logits (default none)
---@field banned? table ids that never come (default none)
---@field allowed? table only these ids compete (default all)
---@field order? table names of the stages (default penalties dry top_n_sigma top_k typical_p top_p min_p xtc temperature)
---@field seed? integer equal seeds give equal texts (default 0)
---@field dtype? string of products: fp32, bf16, or fp64 for fp64 models (default "fp32")

---Opens a session on a model; sessions are cheap, the model is shared.
---
---Raises when the tokenizer does not fit the model
---@param model rmkv.Model
---@param tokenizer? rmkv.Tokenizer left out for a session of ids
---@param options? rmkv.sample.session.options
---@return rmkv.Session
function rmkv.sample.session(model, tokenizer, options) end

---@class Session.feed.options
---@field special? boolean special tokens written in the text are read as such; turn it off for text of strangers (default true)

---Reads text or ids; any chunks give the same result.
---@param text string|table|rmkv.Tensor text, or ids from 0
---@param options? Session.feed.options
---@return rmkv.Session # the object
function Session:feed(text, options) end

---Computes everything read now, and not when a block is full: before forks that go on from here.  What follows may differ in its last bits.
---@return rmkv.Session # the object
function Session:settle() end

---@class Session.generate.options
---@field tokens? integer at most; -1: no limit (default 256)
---@field min_tokens? integer stop tokens do not come before (default 0)
---@field stop? string|table texts that end it; a special token's text stops at that token (default none)
---@field stop_tokens? table ids that end it (default none)
---@field show_special? boolean show special tokens as text (default false)
---@field temperature? number 0: always the likeliest token (default 1)
---@field top_k? integer of so many likeliest; 0: off (default 0)
---@field top_p? number of the likeliest that hold this share; 1: off (default 1)
---@field min_p? number drop tokens below this share of the likeliest; 0: off (default 0)
---@field typical_p? number 1: off (default 1)
---@field top_n_sigma? number deviations of the logits below the largest; 0: off (default 0)
---@field repetition_penalty? number 1: off (default 1)
---@field presence_penalty? number  (default 0)
---@field frequency_penalty? number  (default 0)
---@field penalty_window? integer looked back at (default 64)
---@field dry_multiplier? number 0: off (default 0)
---@field dry_base? number  (default 1.75)
---@field dry_allowed_length? integer repeats up to this length are free (default 2)
---@field dry_window? integer looked back at (default 1024)
---@field xtc_probability? number 0: off (default 0)
---@field xtc_threshold? number  (default 0.1)
---@field bias? table { {id, number}, … } added to logits (default none)
---@field banned? table ids that never come (default none)
---@field allowed? table only these ids compete (default all)
---@field order? table names of the stages (default penalties dry top_n_sigma top_k typical_p top_p min_p xtc temperature)
---@field seed? integer equal seeds give equal texts (default 0)

---Writes on until it ends.
---
---Raises when nothing was fed yet; "interrupted" on Ctrl-C, what was written stays
---@param options? Session.generate.options sampler keys stay set afterwards
---@return string text
---@return table facts # tokens, finish: stop_token, stop_string or budget
function Session:generate(options) end

---@class Session.stream.options
---@field tokens? integer at most; -1: no limit (default 256)
---@field min_tokens? integer stop tokens do not come before (default 0)
---@field stop? string|table texts that end it; a special token's text stops at that token (default none)
---@field stop_tokens? table ids that end it (default none)
---@field show_special? boolean show special tokens as text (default false)
---@field temperature? number 0: always the likeliest token (default 1)
---@field top_k? integer of so many likeliest; 0: off (default 0)
---@field top_p? number of the likeliest that hold this share; 1: off (default 1)
---@field min_p? number drop tokens below this share of the likeliest; 0: off (default 0)
---@field typical_p? number 1: off (default 1)
---@field top_n_sigma? number deviations of the logits below the largest; 0: off (default 0)
---@field repetition_penalty? number 1: off (default 1)
---@field presence_penalty? number  (default 0)
---@field frequency_penalty? number  (default 0)
---@field penalty_window? integer looked back at (default 64)
---@field dry_multiplier? number 0: off (default 0)
---@field dry_base? number  (default 1.75)
---@field dry_allowed_length? integer repeats up to this length are free (default 2)
---@field dry_window? integer looked back at (default 1024)
---@field xtc_probability? number 0: off (default 0)
---@field xtc_threshold? number  (default 0.1)
---@field bias? table { {id, number}, … } added to logits (default none)
---@field banned? table ids that never come (default none)
---@field allowed? table only these ids compete (default all)
---@field order? table names of the stages (default penalties dry top_n_sigma top_k typical_p top_p min_p xtc temperature)
---@field seed? integer equal seeds give equal texts (default 0)

---Writes on piece by piece: for piece in session:stream{} do.
---@param options? Session.stream.options sampler keys stay set afterwards
---@return function iterator
---@return rmkv.Session session
function Session:stream(options) end

---@class Session.begin.options
---@field tokens? integer at most; -1: no limit (default 256)
---@field min_tokens? integer stop tokens do not come before (default 0)
---@field stop? string|table texts that end it; a special token's text stops at that token (default none)
---@field stop_tokens? table ids that end it (default none)
---@field show_special? boolean show special tokens as text (default false)
---@field temperature? number 0: always the likeliest token (default 1)
---@field top_k? integer of so many likeliest; 0: off (default 0)
---@field top_p? number of the likeliest that hold this share; 1: off (default 1)
---@field min_p? number drop tokens below this share of the likeliest; 0: off (default 0)
---@field typical_p? number 1: off (default 1)
---@field top_n_sigma? number deviations of the logits below the largest; 0: off (default 0)
---@field repetition_penalty? number 1: off (default 1)
---@field presence_penalty? number  (default 0)
---@field frequency_penalty? number  (default 0)
---@field penalty_window? integer looked back at (default 64)
---@field dry_multiplier? number 0: off (default 0)
---@field dry_base? number  (default 1.75)
---@field dry_allowed_length? integer repeats up to this length are free (default 2)
---@field dry_window? integer looked back at (default 1024)
---@field xtc_probability? number 0: off (default 0)
---@field xtc_threshold? number  (default 0.1)
---@field bias? table { {id, number}, … } added to logits (default none)
---@field banned? table ids that never come (default none)
---@field allowed? table only these ids compete (default all)
---@field order? table names of the stages (default penalties dry top_n_sigma top_k typical_p top_p min_p xtc temperature)
---@field seed? integer equal seeds give equal texts (default 0)

---Opens a generation for next_piece or next_token.
---@param options? Session.begin.options sampler keys stay set afterwards
function Session:begin(options) end

---Returns the next text that can be shown: whole characters.
---@param previous? any ignored; an iterator gets it
---@return string? # nil at the end
function Session:next_piece(previous) end

---Tells what the last generation wrote and why it ended.
---@return table # tokens, finish: stop_token, stop_string or budget; none: it goes on
function Session:outcome() end

---Samples one token, which enters the text.
---@return integer? # nil at the end
function Session:next_token() end

---Copies the session; both go on for themselves.
---@return rmkv.Session
function Session:fork() end

---@class Session.save.options
---@field small? boolean memory and open tokens only: equal within fp32 rounding, not bit for bit (default false)

---Writes the session to a file.
---
---Raises when it cannot be written
---@param path string
---@param options? Session.save.options
function Session:save(path, options) end

---Goes on from a saved session of the same model and tokenizer.
---
---Raises when the file is damaged or belongs to another model
---@param path string
function Session:load(path) end

---Returns the logits after everything read.
---@return rmkv.Tensor # fp32 [V]
function Session:logits() end

---Returns the most probable next tokens.
---@param count? integer
---@return table # { id, token, probability }
function Session:most_likely(count) end

---Returns the state after everything read.
---@return rmkv.State # a copy
function Session:state() end

---Commits the open segment to memory now: a different computation from going on.
function Session:flush() end

---Lists the memories.
---@return table
function Session:memory_names() end

---Reads a memory slot.
---
---Raises beyond the last slot
---@param memory string one of memory_names()
---@param slot integer from 1
---@return rmkv.Tensor # fp32 [C]
function Session:read_slot(memory, slot) end

---Puts a memory slot back to its start, or to zero.
---
---Raises beyond the last slot
---@param memory string one of memory_names()
---@param slot integer from 1
---@param to? string
function Session:erase_slot(memory, slot, to) end

---Replaces a whole memory.
---
---Raises on another shape
---@param memory string one of memory_names()
---@param value rmkv.Tensor of its shape
function Session:write_memory(memory, value) end

---Remembers this moment for undo.
function Session:mark() end

---Comes back to the last mark.
---@return boolean # false when no mark is left
function Session:undo() end

---Returns the number of marks.
---@return integer
function Session:marks() end

---Chooses another future from here.
---@param seed integer
function Session:reseed(seed) end

---@class Session.sampler.options
---@field temperature? number 0: always the likeliest token (default 1)
---@field top_k? integer of so many likeliest; 0: off (default 0)
---@field top_p? number of the likeliest that hold this share; 1: off (default 1)
---@field min_p? number drop tokens below this share of the likeliest; 0: off (default 0)
---@field typical_p? number 1: off (default 1)
---@field top_n_sigma? number deviations of the logits below the largest; 0: off (default 0)
---@field repetition_penalty? number 1: off (default 1)
---@field presence_penalty? number  (default 0)
---@field frequency_penalty? number  (default 0)
---@field penalty_window? integer looked back at (default 64)
---@field dry_multiplier? number 0: off (default 0)
---@field dry_base? number  (default 1.75)
---@field dry_allowed_length? integer repeats up to this length are free (default 2)
---@field dry_window? integer looked back at (default 1024)
---@field xtc_probability? number 0: off (default 0)
---@field xtc_threshold? number  (default 0.1)
---@field bias? table { {id, number}, … } added to logits (default none)
---@field banned? table ids that never come (default none)
---@field allowed? table only these ids compete (default all)
---@field order? table names of the stages (default penalties dry top_n_sigma top_k typical_p top_p min_p xtc temperature)
---@field seed? integer equal seeds give equal texts (default 0)

---Returns the sampler's options, after changing some.
---@param options? Session.sampler.options
---@return table
function Session:sampler(options) end

---Returns the tokens read and written.
---@return integer
function Session:position() end

---Returns the bytes the session holds.
---@return integer
function Session:bytes() end

---run folders, checkpoints, models for inference
rmkv.checkpoint = {}

---Opens a run's folder; nothing is created before the first save.
---@param path string
---@return rmkv.RunFolder
function rmkv.checkpoint.run(path) end

---Saves a checkpoint whole or not at all, points `latest` (and `best`) at it and drops old ones.
---
---Raises when the disk is full or the folder read-only; what was there stays
---@param parts table {model, optimizer, trainer, stream, facts = {mode, step, ...}, options = {keep_last, keep_every, final, loss}}
---@return string # the checkpoint's path
function RunFolder:save(parts) end

---Finds the newest whole checkpoint and names the damaged ones passed over.
---@return string? path
---@return table damaged # "path: reason"
function RunFolder:newest() end

---Lists all checkpoints, oldest first.
---@return table # of {name, path, mode, step, final, damage, facts}
function RunFolder:list() end

---Returns the facts saved with a checkpoint: mode, step, tokens and so on.
---@param path string
---@return table
function rmkv.checkpoint.facts(path) end

---Returns what is wrong with a checkpoint, or nil when every hash fits.
---@param path string
---@return string?
function rmkv.checkpoint.damage(path) end

---Returns the model configuration of a checkpoint.
---@param path string
---@return table
function rmkv.checkpoint.config(path) end

---Fills model, optimizer and trainer from a checkpoint.
---
---Raises when the checkpoint is damaged, before anything is changed
---@param path string
---@param parts table {model, optimizer, trainer}
---@return table # the cursor: {stream, manifest, optimizer}
function rmkv.checkpoint.restore(path, parts) end

---@class rmkv.checkpoint.load_model.options
---@field device? string  (default "cpu")
---@field dtype? string of the parameters: fp32 or fp64 (default "fp32")
---@field weights? string packed for inference, RWKV only: fp32, bf16, fp16, q8_0, .., "stored" as in the file, "auto" stored where it is RWKV; without it a trainable model
---@field head? string the same for the head of packed weights alone; beside 8 bits and less it has 16
---@field threads? integer of packed weights; 0: as the program (default 0)

---Loads a model from a checkpoint folder, a run folder, a file of the original program or an RWKV model file of any format.
---@param path string
---@param options? rmkv.checkpoint.load_model.options
---@return table # {model, tokenizer?, path, facts, format}
function rmkv.checkpoint.load_model(path, options) end

---what a run writes down
rmkv.log = {}

---@class rmkv.log.jsonl.options
---@field resume_step? integer drop what was written after this step; -1: start anew (default -1)

---Opens a JSONL log, one object a step; times go to a file of their own, so that a resumed run leaves the same log as a whole one.
---@param path string
---@param options? rmkv.log.jsonl.options
---@return rmkv.RunLog
function rmkv.log.jsonl(path, options) end

---Writes the line of a step.
---@param step integer
---@param fields table what was computed
---@param timing? table wall-clock fields
function RunLog:write(step, fields, timing) end

---@class rmkv.log.tensorboard.options
---@field resume_step? integer drop what was written after this step; -1: start anew (default -1)

---Opens a TensorBoard event file in a folder.
---@param folder string
---@param options? rmkv.log.tensorboard.options
---@return rmkv.EventFile
function rmkv.log.tensorboard(folder, options) end

---Writes a number of a step.
---@param tag string
---@param step integer
---@param value number
function EventFile:scalar(tag, step, value) end

---Writes a text of a step.
---@param tag string
---@param step integer
---@param text string
function EventFile:text(tag, step, text) end

---Hands what was written to the system.
function EventFile:flush() end

---an HTTP endpoint whose requests a recipe answers
rmkv.serve = {}

---@class rmkv.serve.listen.options
---@field host? string the address to listen at (default "127.0.0.1")
---@field port? integer 0: any free one (default 8080)
---@field max_waiting? integer requests beyond these are answered 503 (default 32)
---@field max_body_bytes? integer larger requests are answered 413 (default 4194304)
---@field pages? table path = JSON text, answered at once to GET

---Listens for requests from here on.
---
---Raises when the address is taken or not this machine's
---@param options? rmkv.serve.listen.options
---@return rmkv.Server
function rmkv.serve.listen(options) end

---Returns the port.
---@return integer
function Server:port() end

---Waits for the next request.
---
---Raises on Ctrl-C
---@param timeout? number
---@return rmkv.Exchange?
---@return string? message
function Server:next(timeout) end

---Returns what was asked.
---@return table # method, path, body, authorization
function Exchange:request() end

---Answers at once.
---@param status integer of HTTP
---@param body string
---@param type? string of the body
function Exchange:answer(status, body, type) end

---Opens an answer in pieces, with status 200.
---@param type? string of the body
function Exchange:begin(type) end

---Adds a piece to the answer.
---
---Raises before begin() and after finish()
---@param piece string
---@return boolean # false when the client has gone
function Exchange:write(piece) end

---Ends an answer in pieces.
function Exchange:finish() end

---Tells whether the client has gone; known from begin() on.
---@return boolean
function Exchange:gone() end
