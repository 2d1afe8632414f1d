/* Inside the cli room: the tools themselves. */
#pragma once

#include "cli/cli.h"

#define CLI_TOOL(name) extern const struct cli_tool name##_tool;
#include "cli/cli_tools.def"
#undef CLI_TOOL
