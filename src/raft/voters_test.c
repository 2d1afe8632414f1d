/* Voter sets: settings, options, control record. */
#include "raft/voters.h"

#include "base/test.h"
#include "wire/messages/voters_record.h"

#include <string.h>

#define DIRECTORY "Hm-DkqEMQe-ShvvVHVL0GA"

TEST(raft_voters, setting_names_ids_hosts_and_ports)
{
    struct raft_voters voters;
    EXPECT_OK(
        raft_voters_from_setting(BYTES_LITERAL(" 3@[2001:db8::1]:9093 ,1@localhost:1,2@h:65535"),
                                 BYTES_LITERAL("CONTROLLER"), &voters, NULL));
    EXPECT_EQ(voters.count, 3);
    for (uint32_t i = 0; i < 3; i++)
        EXPECT_EQ(voters.items[i].id, i + 1); /* sorted */
    EXPECT_TEXT(voters.items[0].endpoints[0].host, "localhost");
    EXPECT_TEXT(voters.items[2].endpoints[0].host, "2001:db8::1");
    EXPECT_EQ(voters.items[1].endpoints[0].port, 65535);
    EXPECT_TEXT(voters.items[1].endpoints[0].name, "CONTROLLER");
    /* kraft.version 0: the directory is not known, any will do */
    const struct uuid any = { .bytes = { 7 } };
    EXPECT(raft_voters_has(&voters, 2, any));
    EXPECT(!raft_voters_has(&voters, 4, any));
    raft_voters_deinit(&voters);
    EXPECT_OK(raft_voters_from_setting(BYTES_LITERAL("  "), BYTES_LITERAL("C"), &voters, NULL));
    EXPECT_EQ(voters.count, 0);
}

TEST(raft_voters, broken_settings_are_named)
{
    static const char *const bad[] = {
        "1",      "1@",     "1@h",        "1@h:",        "1@h:0",          "1@h:65536",
        "@h:1",   "-1@h:1", "x@h:1",      "1@:1",        "1@[::1:1",       "1@[::1]1",
        "1@h:1,", ",1@h:1", "1@h:1:x",    "1@h:1,1@g:2", "2147483648@h:1", "1@[]:1",
        "1@h:1x", "1@h:+1", "1@[::1]x:1",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct raft_voters voters;
        struct err_note note;
        const int r =
            raft_voters_from_setting(bytes_from_text(bad[i]), BYTES_LITERAL("C"), &voters, &note);
        if (r != -ERR_INVALID_SETTING)
            test_fail(__FILE__, __LINE__, "'%s' gives %s", bad[i],
                      r < 0 ? err_name(r) : "a voter set");
        EXPECT(strstr(note.text, "voter '") != NULL);
    }
}

TEST(raft_voters, initial_controllers_name_directories)
{
    struct raft_voters voters;
    EXPECT_OK(raft_voters_from_initial(
        BYTES_LITERAL("1@localhost:9093:" DIRECTORY ",2@[::1]:9094:AAAAAAAAAAAAAAAAAAAAAg"),
        BYTES_LITERAL("C"), &voters, NULL));
    EXPECT_EQ(voters.count, 2);
    struct uuid wanted;
    EXPECT_OK(uuid_from_text(BYTES_LITERAL(DIRECTORY), &wanted));
    EXPECT(raft_voters_has(&voters, 1, wanted));
    EXPECT(!raft_voters_has(&voters, 1, UUID_ZERO)); /* a new disk is another voter */
    EXPECT_EQ(voters.items[0].kraft_version_max, 1);
    raft_voters_deinit(&voters);
    static const char *const bad[] = { "1@h:1", "1@h:1:", "1@h:1:short",
                                       "1@h:1:AAAAAAAAAAAAAAAAAAAAAA", "1@h:1:" DIRECTORY ":x" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        EXPECT_ERR(
            raft_voters_from_initial(bytes_from_text(bad[i]), BYTES_LITERAL("C"), &voters, NULL),
            ERR_INVALID_ARGUMENT);
}

TEST(raft_voters, sets_have_a_maximum)
{
    struct raft_voters voters = { .count = 0 };
    for (int32_t id = 0; id < RAFT_VOTER_COUNT_MAX; id++)
        EXPECT_OK(raft_voters_add(&voters, &(struct raft_voter){ .id = RAFT_VOTER_COUNT_MAX - id },
                                  NULL));
    EXPECT_ERR(raft_voters_add(&voters, &(struct raft_voter){ .id = 1000 }, NULL), ERR_LIMIT);
    raft_voters_deinit(&voters);
    struct raft_endpoint endpoints[RAFT_ENDPOINT_COUNT_MAX + 1] = { { .name = NULL } };
    EXPECT_ERR(
        raft_voters_add(&voters,
                        &(struct raft_voter){ .endpoints = endpoints,
                                              .endpoint_count = RAFT_ENDPOINT_COUNT_MAX + 1 },
                        NULL),
        ERR_LIMIT);
}

TEST(raft_voters, control_record_and_back)
{
    struct raft_voters voters;
    EXPECT_OK(raft_voters_from_initial(
        BYTES_LITERAL("1@localhost:9093:" DIRECTORY ",2@[::1]:9094:AAAAAAAAAAAAAAAAAAAAAg"),
        BYTES_LITERAL("C"), &voters, NULL));
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct voters_record record;
    raft_voters_to_record(&voters, &arena, &record);
    struct raft_voters back = { .count = 0 };
    EXPECT_OK(raft_voters_from_record(&record, &back, NULL));
    EXPECT(raft_voters_equal(&voters, &back));
    struct raft_voters copy = { .count = 0 };
    raft_voters_copy(&back, &copy);
    copy.items[1].endpoints[0].port++;
    EXPECT(!raft_voters_equal(&voters, &copy));
    record.voters[1].voter_id = 1;
    struct raft_voters refused;
    EXPECT_ERR(raft_voters_from_record(&record, &refused, NULL), ERR_MALFORMED);
    record.voters[1].endpoints_count = RAFT_ENDPOINT_COUNT_MAX + 1;
    EXPECT_ERR(raft_voters_from_record(&record, &refused, NULL), ERR_LIMIT);
    arena_deinit(&arena);
    raft_voters_deinit(&voters);
    raft_voters_deinit(&back);
    raft_voters_deinit(&copy);
}
