/* The interface of librmkv_parquet.so, which holds Arrow and is opened when parquet is first read.
 *
 * Plain C, so that nothing of Arrow is needed on this side and no exception crosses the border.
 * Functions that can fail return NULL or -1 and put a message into `error`, of RMKV_PARQUET_ERROR
 * bytes.  Objects may be used from any thread; blocks are immutable. */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RMKV_PARQUET_VERSION 1
#define RMKV_PARQUET_ERROR 512

/* Where the bytes of a file come from; `read` returns the number of bytes, or -1. */
typedef struct {
  void* self;
  int64_t size;
  int64_t (*read)(void* self, int64_t begin, int64_t length, void* target);
  void (*release)(void* self);
} rmkv_parquet_input;

enum { RMKV_PARQUET_NULL = 0, RMKV_PARQUET_TEXT = 1, RMKV_PARQUET_NESTED = 2 };

/* A value as text (numbers and times too) or, when nested, as JSON; lives as long as its block. */
typedef struct {
  int kind;
  const char* data;
  int64_t length;
} rmkv_parquet_cell;

typedef struct rmkv_parquet_file rmkv_parquet_file;
typedef struct rmkv_parquet_block rmkv_parquet_block;

typedef struct {
  int version;
  /* Reads the footer.  Releases the input with the file, or at once on failure. */
  rmkv_parquet_file* (*open)(rmkv_parquet_input input, char* error);
  void (*close)(rmkv_parquet_file*);
  int64_t (*groups)(const rmkv_parquet_file*);
  int64_t (*group_rows)(const rmkv_parquet_file*, int64_t group);
  /* Uncompressed bytes of the named columns (top level) in a row group. */
  int64_t (*group_bytes)(const rmkv_parquet_file*, int64_t group, const int* columns, int count);
  int (*columns)(const rmkv_parquet_file*);
  const char* (*column_name)(const rmkv_parquet_file*, int column);
  /* Rows [first, first + count) of a row group, these columns only. */
  rmkv_parquet_block* (*read)(const rmkv_parquet_file*, int64_t group, int64_t first, int64_t count,
                              const int* columns, int column_count, char* error);
  int64_t (*rows)(const rmkv_parquet_block*);
  int64_t (*bytes)(const rmkv_parquet_block*);
  /* `column`: its place among those that were read. */
  rmkv_parquet_cell (*cell)(const rmkv_parquet_block*, int column, int64_t row);
  void (*free_block)(rmkv_parquet_block*);
  /* Writes a file of text columns; values[column * rows + row].  0, or -1. */
  int (*write)(const char* path, const char* const* names, int columns,
               const rmkv_parquet_cell* values, int64_t rows, int64_t group_rows, const char* codec,
               char* error);
} rmkv_parquet_api;

const rmkv_parquet_api* rmkv_parquet_get(void);

#ifdef __cplusplus
}
#endif
