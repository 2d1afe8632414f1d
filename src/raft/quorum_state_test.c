/* The file quorum-state: as Apache Kafka writes it, and whatever else may lie there. */
#include "raft/quorum_state.h"

#include "base/fixture.h"
#include "base/mem.h"
#include "base/test.h"
#include "raft/voters.h"

#include <string.h>

FIXTURE(quorum_state, "metadata/__cluster_metadata-0/quorum-state");

static void expect_print(const struct quorum_state *state, int16_t kraft_version,
                         const struct raft_voters *voters, struct bytes wanted)
{
    struct buf out;
    buf_init(&out, QUORUM_STATE_SIZE_BYTES_MAX);
    quorum_state_print(state, kraft_version, voters, &out);
    EXPECT_BYTES(buf_view(&out), wanted);
    buf_deinit(&out);
}

TEST(quorum_state, reads_and_writes_what_kafka_wrote)
{
    struct quorum_state state;
    EXPECT_OK(quorum_state_parse(FIXTURE_BYTES(quorum_state), &state, NULL));
    EXPECT_EQ(state.leader_id, 1);
    EXPECT_EQ(state.leader_epoch, 4);
    EXPECT_EQ(state.voted_id, -1);
    EXPECT(uuid_is_zero(state.voted_directory_id));
    expect_print(&state, 1, NULL, FIXTURE_BYTES(quorum_state));
}

TEST(quorum_state, both_versions_come_back)
{
    struct raft_voters voters;
    EXPECT_OK(raft_voters_from_setting(BYTES_LITERAL("1@a:1,3000@b:2"), BYTES_LITERAL("C"), &voters,
                                       NULL));
    struct quorum_state state = { .leader_id = -1, .leader_epoch = 7, .voted_id = 3000 };
    EXPECT_OK(uuid_from_text(BYTES_LITERAL("Hm-DkqEMQe-ShvvVHVL0GA"), &state.voted_directory_id));
    expect_print(
        &state, 0, &voters,
        BYTES_LITERAL("{\"clusterId\":\"\",\"leaderId\":-1,\"leaderEpoch\":7,\"votedId\":3000,"
                      "\"appliedOffset\":0,\"currentVoters\":[{\"voterId\":1},{\"voterId\":3000}],"
                      "\"data_version\":0}"));
    for (int16_t version = 0; version <= 1; version++) {
        struct buf out;
        struct quorum_state back;
        buf_init(&out, QUORUM_STATE_SIZE_BYTES_MAX);
        quorum_state_print(&state, version, &voters, &out);
        EXPECT_OK(quorum_state_parse(buf_view(&out), &back, NULL));
        EXPECT_EQ(back.leader_id, -1);
        EXPECT_EQ(back.leader_epoch, 7);
        EXPECT_EQ(back.voted_id, 3000);
        EXPECT_EQ(uuid_equal(back.voted_directory_id, state.voted_directory_id), version == 1);
        /* Every beginning of it is refused: a file that was cut is not half a vote. */
        for (size_t cut = 0; cut < out.size; cut++) {
            AUTO(mem_freep) uint8_t *copy = mem_dup(out.data, cut + 1);
            EXPECT_ERR(quorum_state_parse(bytes_from(copy, cut), &back, NULL), ERR_MALFORMED);
        }
        buf_deinit(&out);
    }
    raft_voters_deinit(&voters);
}

TEST(quorum_state, passes_over_what_it_does_not_know)
{
    struct quorum_state state;
    EXPECT_OK(quorum_state_parse(
        BYTES_LITERAL(" { \"new\" : [ 1, {\"x\": [true, null, \"a\\\"b\", -1.5e3]} , []] "
                      ",\n\"data_version\":1,"
                      "\"votedId\" : 2, \"leaderEpoch\":0,\"leaderId\":-1 , \"o\":{} } \n"),
        &state, NULL));
    EXPECT_EQ(state.voted_id, 2);
}

TEST(quorum_state, refuses_what_cannot_be)
{
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        { "", ERR_MALFORMED },
        { "[]", ERR_MALFORMED },
        { "{}", ERR_MALFORMED },
        { "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1}", ERR_MALFORMED },
        { "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"data_version\":2}", ERR_VERSION },
        { "{\"leaderId\":-2,\"leaderEpoch\":1,\"votedId\":-1,\"data_version\":1}", ERR_MALFORMED },
        { "{\"leaderId\":1,\"leaderEpoch\":-1,\"votedId\":-1,\"data_version\":1}", ERR_MALFORMED },
        { "{\"leaderId\":1,\"leaderEpoch\":2147483648,\"votedId\":-1,\"data_version\":1}",
          ERR_MALFORMED },
        { "{\"leaderId\":1.5,\"leaderEpoch\":1,\"votedId\":-1,\"data_version\":1}", ERR_MALFORMED },
        { "{\"leaderId\":\"1\",\"leaderEpoch\":1,\"votedId\":-1,\"data_version\":1}",
          ERR_MALFORMED },
        { "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"votedDirectoryId\":\"x\",\"data_"
          "version\":1}",
          ERR_MALFORMED },
        { "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"data_version\":1}x", ERR_MALFORMED },
        { "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"data_version\":1,}", ERR_MALFORMED },
        { "{\"a\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]],\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":"
          "-1,\"data_version\":1}",
          ERR_MALFORMED },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct quorum_state state;
        struct err_note note = { .text = "" };
        const int r = quorum_state_parse(bytes_from_text(cases[i].text), &state, &note);
        if (r != -cases[i].code)
            test_fail(__FILE__, __LINE__, "%s gives %s", cases[i].text,
                      r < 0 ? err_name(r) : "a state");
        EXPECT(note.text[0] != '\0');
    }
}
