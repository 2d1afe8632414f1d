/* The loads, each one subcommand of bench_load. Each prints one JSON object about what it did, all of it checked. */
#pragma once

#include "options.h"

void load_produce(const struct load_options *options);
void load_consume(const struct load_options *options);
void load_transact(const struct load_options *options);
void load_group(const struct load_options *options);
void load_consumer_group(const struct load_options *options);
