/* The settings that all clients share, from a config of any client kind. */
#pragma once

#include "client/channel.h"
#include "config/config.h"

/* Borrows from the config. */
struct client_settings client_settings_from(const struct config *config);
struct config_list client_bootstrap_servers(const struct config *config);
