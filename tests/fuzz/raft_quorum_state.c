/* The file quorum-state: text that a crash, a person or another version left.
 *
 * Input: the file. Property: what parses prints to text that parses to the same.
 */
#include "fuzz.h"

#include "raft/quorum_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct quorum_state state;
    struct err_note note;
    if (quorum_state_parse(bytes_from(data, size), &state, &note) < 0)
        return 0;
    struct buf text;
    buf_init(&text, QUORUM_STATE_SIZE_BYTES_MAX);
    quorum_state_print(&state, 1, NULL, &text);
    struct quorum_state again;
    ASSERT(quorum_state_parse(buf_view(&text), &again, &note) == 0);
    ASSERT(again.leader_id == state.leader_id && again.leader_epoch == state.leader_epoch);
    ASSERT(again.voted_id == state.voted_id &&
           uuid_equal(again.voted_directory_id, state.voted_directory_id));
    buf_deinit(&text);
    return 0;
}
