/* Rules between a broker's settings, as Apache Kafka 4.3.1 has them at start and when they change.
 *
 * Most say that one number bounds another: they are a table. The rest are functions. Each broken rule is one error that
 * names both settings and their values.
 */
#include "config/config_int.h"

#include <string.h>

#define ID(name) SETTING_BROKER_##name

/* ---- one number bounds another --------------------------------------------------------------------------- */

struct bound {
    enum setting_id lesser;
    enum setting_id greater;
    bool is_strict; /* less than, not less or equal */
};

static const struct bound bounds[] = {
    { ID(REPLICA_FETCH_WAIT_MAX_MS), ID(REPLICA_SOCKET_TIMEOUT_MS), false },
    { ID(REPLICA_FETCH_WAIT_MAX_MS), ID(REPLICA_LAG_TIME_MAX_MS), false },
#define MIN_VALUE_MAX(min, value, max)                                                             \
    { ID(min), ID(max), false }, { ID(min), ID(value), false },                                    \
    {                                                                                              \
        ID(value), ID(max), false                                                                  \
    }
    MIN_VALUE_MAX(GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS, GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS,
                  GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS),
    MIN_VALUE_MAX(GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS, GROUP_CONSUMER_SESSION_TIMEOUT_MS,
                  GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS),
    { ID(GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS), ID(GROUP_CONSUMER_SESSION_TIMEOUT_MS), true },
    MIN_VALUE_MAX(GROUP_CONSUMER_MIN_ASSIGNMENT_INTERVAL_MS, GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS,
                  GROUP_CONSUMER_MAX_ASSIGNMENT_INTERVAL_MS),
    MIN_VALUE_MAX(GROUP_SHARE_MIN_HEARTBEAT_INTERVAL_MS, GROUP_SHARE_HEARTBEAT_INTERVAL_MS,
                  GROUP_SHARE_MAX_HEARTBEAT_INTERVAL_MS),
    MIN_VALUE_MAX(GROUP_SHARE_MIN_SESSION_TIMEOUT_MS, GROUP_SHARE_SESSION_TIMEOUT_MS,
                  GROUP_SHARE_MAX_SESSION_TIMEOUT_MS),
    { ID(GROUP_SHARE_HEARTBEAT_INTERVAL_MS), ID(GROUP_SHARE_SESSION_TIMEOUT_MS), true },
    MIN_VALUE_MAX(GROUP_SHARE_MIN_ASSIGNMENT_INTERVAL_MS, GROUP_SHARE_ASSIGNMENT_INTERVAL_MS,
                  GROUP_SHARE_MAX_ASSIGNMENT_INTERVAL_MS),
    MIN_VALUE_MAX(GROUP_SHARE_MIN_RECORD_LOCK_DURATION_MS, GROUP_SHARE_RECORD_LOCK_DURATION_MS,
                  GROUP_SHARE_MAX_RECORD_LOCK_DURATION_MS),
    MIN_VALUE_MAX(GROUP_SHARE_MIN_DELIVERY_COUNT_LIMIT, GROUP_SHARE_DELIVERY_COUNT_LIMIT,
                  GROUP_SHARE_MAX_DELIVERY_COUNT_LIMIT),
    MIN_VALUE_MAX(GROUP_SHARE_MIN_PARTITION_MAX_RECORD_LOCKS,
                  GROUP_SHARE_PARTITION_MAX_RECORD_LOCKS,
                  GROUP_SHARE_MAX_PARTITION_MAX_RECORD_LOCKS),
    { ID(GROUP_SHARE_MAX_SIZE), ID(GROUP_SHARE_MAX_SHARE_SESSIONS), false },
    MIN_VALUE_MAX(GROUP_STREAMS_MIN_HEARTBEAT_INTERVAL_MS, GROUP_STREAMS_HEARTBEAT_INTERVAL_MS,
                  GROUP_STREAMS_MAX_HEARTBEAT_INTERVAL_MS),
    MIN_VALUE_MAX(GROUP_STREAMS_MIN_SESSION_TIMEOUT_MS, GROUP_STREAMS_SESSION_TIMEOUT_MS,
                  GROUP_STREAMS_MAX_SESSION_TIMEOUT_MS),
    { ID(GROUP_STREAMS_HEARTBEAT_INTERVAL_MS), ID(GROUP_STREAMS_SESSION_TIMEOUT_MS), true },
    MIN_VALUE_MAX(GROUP_STREAMS_MIN_ASSIGNMENT_INTERVAL_MS, GROUP_STREAMS_ASSIGNMENT_INTERVAL_MS,
                  GROUP_STREAMS_MAX_ASSIGNMENT_INTERVAL_MS),
    { ID(GROUP_STREAMS_NUM_STANDBY_REPLICAS), ID(GROUP_STREAMS_MAX_STANDBY_REPLICAS), false },
};

static void check_bounds(const struct config *broker, struct config_problems *problems)
{
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        const struct bound *bound = &bounds[i];
        const int64_t lesser = config_i64(broker, bound->lesser);
        const int64_t greater = config_i64(broker, bound->greater);
        if (bound->is_strict ? lesser < greater : lesser <= greater)
            continue;
        config_problem_add(
            problems, CONFIG_ERROR, "%s (%" PRId64 ") must be less than %s%s (%" PRId64 ")",
            setting_get(bound->lesser)->name, lesser, bound->is_strict ? "" : "or equal to ",
            setting_get(bound->greater)->name, greater);
    }
}

/* ---- the rest -------------------------------------------------------------------------------------------- */

/* A time with units behind it (log.roll.ms, .hours), at least `low`. */
static void check_effective(const struct config *broker, enum setting_id id, int64_t low,
                            struct config_problems *problems)
{
    int64_t value = 0;
    const bool is_set = config_effective_i64(broker, id, &value);
    ASSERT(is_set);
    if (value < low)
        config_problem_add(problems, CONFIG_ERROR,
                           "%s must be greater than or equal to %" PRId64 "; it is %" PRId64,
                           setting_get(id)->name, low, value);
}

static void check_log(const struct config *broker, struct config_problems *problems)
{
    check_effective(broker, ID(LOG_ROLL_MS), 1, problems);
    check_effective(broker, ID(LOG_ROLL_JITTER_MS), 0, problems);
    int64_t retention_ms = 0;
    if (config_effective_i64(broker, ID(LOG_RETENTION_MS), &retention_ms) && retention_ms == 0)
        config_problem_add(
            problems, CONFIG_ERROR,
            "log.retention.ms must be unlimited (-1) or, greater than or equal to 1; it is 0");

    /* The cleaner's map is shared by its threads; below a megabyte each cannot work. */
    const int64_t threads = config_i64(broker, ID(LOG_CLEANER_THREADS));
    const int64_t dedupe_bytes = config_i64(broker, ID(LOG_CLEANER_DEDUPE_BUFFER_SIZE));
    if (threads < 1)
        config_problem_add(problems, CONFIG_ERROR,
                           "log.cleaner.threads must be at least 1; it is 0");
    else if (dedupe_bytes / threads <= 1024 * 1024)
        config_problem_add(problems, CONFIG_ERROR,
                           "log.cleaner.dedupe.buffer.size (%" PRId64
                           ") must be more than 1048576 for each of %" PRId64
                           " log.cleaner.threads",
                           dedupe_bytes, threads);
}

static void check_cordoned(const struct config *broker, struct config_problems *problems)
{
    const struct config_list cordoned = config_list(broker, ID(CORDONED_LOG_DIRS));
    for (size_t i = 0; i < cordoned.count; i++) {
        bool is_present = false;
        const bool is_all = strcmp(cordoned.items[i], "*") == 0;
        for (size_t j = 0; j < broker->log_dirs.count; j++)
            is_present |= strcmp(broker->log_dirs.items[j], cordoned.items[i]) == 0;
        if (is_all && cordoned.count > 1)
            config_problem_add(problems, CONFIG_ERROR,
                               "cordoned.log.dirs: * stands for all, nothing may stand beside it");
        else if (!is_all && !is_present)
            config_problem_add(problems, CONFIG_ERROR,
                               "cordoned.log.dirs: '%.200s' is not in log.dirs or log.dir",
                               cordoned.items[i]);
    }
}

static void check_connections(const struct config *broker, struct config_problems *problems)
{
    if (config_i64(broker, ID(MAX_CONNECTIONS_PER_IP)) == 0 &&
        config_text(broker, ID(MAX_CONNECTIONS_PER_IP_OVERRIDES))[0] == '\0')
        config_problem_add(problems, CONFIG_ERROR,
                           "max.connections.per.ip can be set to zero only if "
                           "max.connections.per.ip.overrides is set");
    const int64_t queued = config_i64(broker, ID(QUEUED_MAX_REQUEST_BYTES));
    const int64_t request_max = config_i64(broker, ID(SOCKET_REQUEST_MAX_BYTES));
    if (queued > 0 && queued < request_max)
        config_problem_add(problems, CONFIG_ERROR,
                           "queued.max.request.bytes (%" PRId64
                           ") must be larger or equal to socket.request.max.bytes (%" PRId64 ")",
                           queued, request_max);
    const int64_t heartbeat_ms = config_i64(broker, ID(BROKER_HEARTBEAT_INTERVAL_MS));
    const int64_t session_ms = config_i64(broker, ID(BROKER_SESSION_TIMEOUT_MS));
    if (heartbeat_ms > session_ms / 2)
        config_problem_add(problems, CONFIG_WARNING,
                           "broker.heartbeat.interval.ms (%" PRId64
                           ") should be at most half of broker.session.timeout.ms (%" PRId64
                           "): a broker that misses one beat would be fenced",
                           heartbeat_ms, session_ms);
}

static bool is_own_id_a_voter(const struct config *broker)
{
    const struct config_list voters = config_list(broker, ID(CONTROLLER_QUORUM_VOTERS));
    const int64_t own_id = config_i64(broker, ID(NODE_ID));
    for (size_t i = 0; i < voters.count; i++) {
        int64_t id;
        const size_t size = strcspn(voters.items[i], "@");
        if (bytes_to_i64(bytes_from(voters.items[i], size), &id) == 0 && id == own_id)
            return true;
    }
    return false;
}

static void check_quorum(const struct config *broker, struct config_problems *problems)
{
    const bool is_controller = config_has_role_controller(broker);
    const struct config_list voters = config_list(broker, ID(CONTROLLER_QUORUM_VOTERS));
    const char *voters_text = config_value_text(broker, ID(CONTROLLER_QUORUM_VOTERS));
    const int64_t own_id = config_i64(broker, ID(NODE_ID));
    if (voters.count == 0 &&
        config_list(broker, ID(CONTROLLER_QUORUM_BOOTSTRAP_SERVERS)).count == 0)
        config_problem_add(
            problems, CONFIG_ERROR,
            "either controller.quorum.bootstrap.servers must name the controllers, or "
            "controller.quorum.voters all of them with their ids");
    if (voters.count > 0 && is_controller && !is_own_id_a_voter(broker))
        config_problem_add(problems, CONFIG_ERROR,
                           "If process.roles contains the 'controller' role, the node id %" PRId64
                           " must be included in the set of voters controller.quorum.voters=%.200s",
                           own_id, voters_text);
    if (!is_controller && is_own_id_a_voter(broker))
        config_problem_add(
            problems, CONFIG_ERROR,
            "If process.roles contains just the 'broker' role, the node id %" PRId64
            " must not be included in the set of voters controller.quorum.voters=%.200s",
            own_id, voters_text);
    if (!is_controller && config_bool(broker, ID(CONTROLLER_QUORUM_AUTO_JOIN_ENABLE)))
        config_problem_add(
            problems, CONFIG_ERROR,
            "controller.quorum.auto.join.enable is only supported when process.roles "
            "contains the 'controller' role");
    if (config_i64(broker, ID(BROKER_ID)) != own_id)
        config_problem_add(problems, CONFIG_ERROR,
                           "You must set node.id (%" PRId64
                           ") to the same value as broker.id (%" PRId64 ")",
                           own_id, config_i64(broker, ID(BROKER_ID)));
}

struct assignor_name {
    const char *name;
    const char *class;
};

#define ASSIGNOR(name, class)                                                                      \
    {                                                                                              \
        name, "org.apache.kafka.coordinator.group.assignor." class                                 \
    }
static const struct assignor_name consumer_assignors[] = { ASSIGNOR("uniform", "UniformAssignor"),
                                                           ASSIGNOR("range", "RangeAssignor") };
static const struct assignor_name share_assignors[] = { ASSIGNOR("simple", "SimpleAssignor") };

static const char *assignor_name(const struct assignor_name *known, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, known[i].name) == 0 || strcmp(text, known[i].class) == 0)
            return known[i].name;
    }
    return NULL;
}

const char *config_consumer_assignor(const char *name)
{
    return assignor_name(consumer_assignors, ARRAY_LEN(consumer_assignors), name);
}

static void check_assignors(const struct config *broker, enum setting_id id,
                            const struct assignor_name *known, size_t known_count,
                            struct config_problems *problems)
{
    const struct config_list list = config_list(broker, id);
    for (size_t i = 0; i < list.count; i++) {
        if (assignor_name(known, known_count, list.items[i]) == NULL)
            config_problem_add(problems, CONFIG_ERROR,
                               "%s: no assignor %.200s: this build has the built-in ones only",
                               setting_get(id)->name, list.items[i]);
    }
}

static void check_groups(const struct config *broker, struct config_problems *problems)
{
    check_assignors(broker, ID(GROUP_CONSUMER_ASSIGNORS), consumer_assignors,
                    ARRAY_LEN(consumer_assignors), problems);
    check_assignors(broker, ID(GROUP_SHARE_ASSIGNORS), share_assignors, ARRAY_LEN(share_assignors),
                    problems);
    if (config_list(broker, ID(GROUP_SHARE_ASSIGNORS)).count > 1)
        config_problem_add(problems, CONFIG_ERROR,
                           "group.share.assignors must contain exactly one assignor");
    if (!config_list_has(broker, ID(GROUP_COORDINATOR_REBALANCE_PROTOCOLS), "classic"))
        config_problem_add(
            problems, CONFIG_ERROR,
            "group.coordinator.rebalance.protocols: disabling the 'classic' protocol is not "
            "supported");
}

void config__check_broker_rules(const struct config *broker, struct config_problems *problems)
{
    check_quorum(broker, problems);
    check_bounds(broker, problems);
    check_log(broker, problems);
    check_cordoned(broker, problems);
    check_connections(broker, problems);
    check_groups(broker, problems);
}
