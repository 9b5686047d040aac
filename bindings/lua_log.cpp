// Module rmkv.log: what a run writes down: JSONL, TensorBoard events, plain text (core/train).
#include <cstdio>

#include "bindings/bind.h"
#include "bindings/modules.h"
#include "core/base/error.h"
#include "core/base/file.h"
#include "core/base/option_reader.h"
#include "core/train/event_file.h"
#include "core/train/run_log.h"

namespace rmkv::lua {

template <>
const Class& class_of<RunLog>() {
  static const Class type{"RunLog", "a JSONL file, one object a step"};
  return type;
}

template <>
const Class& class_of<EventFile>() {
  static const Class type{"EventFile", "a TensorBoard event file"};
  return type;
}

namespace {

int64_t resume_step(Call& c) {
  Table options = c.table(2);
  int64_t step = -1;
  OptionReader reader(options, c.function.name);
  reader.read("resume_step", step, -1);
  reader.finish();
  return step;
}

int jsonl(Call& c) {
  return c.push_new(RunLog(c.string(1), resume_step(c)));
}

int write(Call& c) {
  c.object<RunLog>(1).write(c.integer(2), c.table(3), c.table(4));
  return 0;
}

int tensorboard(Call& c) {
  return c.push_object(std::make_shared<EventFile>(c.string(1), resume_step(c)));
}

int scalar(Call& c) {
  c.object<EventFile>(1).scalar(c.string(2), c.integer(3), c.number(4));
  return 0;
}

int text(Call& c) {
  c.object<EventFile>(1).text(c.string(2), c.integer(3), c.string(4));
  return 0;
}

int flush(Call& c) {
  c.object<EventFile>(1).flush();
  return 0;
}

const Field kResume = {
    .name = "options",
    .type = "options?",
    .doc = "",
    .keys = {{"resume_step", "integer?", "drop what was written after this step; -1: start anew",
              "-1", -1}}};

}  // namespace

Module log_module() {
  return {
      .name = "rmkv.log",
      .doc = "what a run writes down",
      .functions =
          {
              {.name = "rmkv.log.jsonl",
               .doc = "Opens a JSONL log, one object a step; times go to a file of their own, so "
                      "that a resumed run leaves the same log as a whole one.",
               .args = {{"path", "string", ""}, kResume},
               .returns = {{"", "RunLog", ""}},
               .call = jsonl},
              {.name = "RunLog:write",
               .doc = "Writes the line of a step.",
               .args = {{"step", "integer", ""},
                        {"fields", "table", "what was computed"},
                        {"timing", "table?", "wall-clock fields"}},
               .returns = {},
               .call = write},
              {.name = "rmkv.log.tensorboard",
               .doc = "Opens a TensorBoard event file in a folder.",
               .args = {{"folder", "string", ""}, kResume},
               .returns = {{"", "EventFile", ""}},
               .call = tensorboard},
              {.name = "EventFile:scalar",
               .doc = "Writes a number of a step.",
               .args = {{"tag", "string", ""}, {"step", "integer", ""}, {"value", "number", ""}},
               .returns = {},
               .call = scalar},
              {.name = "EventFile:text",
               .doc = "Writes a text of a step.",
               .args = {{"tag", "string", ""}, {"step", "integer", ""}, {"text", "string", ""}},
               .returns = {},
               .call = text},
              {.name = "EventFile:flush",
               .doc = "Hands what was written to the system.",
               .args = {},
               .returns = {},
               .call = flush},
          },
      .classes = {&class_of<RunLog>(), &class_of<EventFile>()}};
}

}  // namespace rmkv::lua
