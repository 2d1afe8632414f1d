/* Blocks of producer ids for brokers (KIP-730). */
#include "controller/controller_int.h"

#include "wire/messages/allocate_producer_ids_request.h"
#include "wire/messages/allocate_producer_ids_response.h"
#include "wire/messages/producer_ids_record.h"

int controller_allocate_producer_ids(struct controller *c, const struct controller_call *call,
                                     const struct allocate_producer_ids_request *request,
                                     int16_t version, struct controller_result *out)
{
    (void)version;
    if (!controller_is_active(c))
        return -ERR_NOT_LEADER;
    struct draft draft;
    draft_init(&draft, c, call);
    struct allocate_producer_ids_response *response =
        DRAFT_NEW(&draft, struct allocate_producer_ids_response);
    *response = allocate_producer_ids_response_default;
    const int64_t next = draft.image->next_producer_id;
    enum kafka_error error = draft_check_broker(&draft, request->broker_id, request->broker_epoch);
    if (error == KAFKA_NONE && next > INT64_MAX - CONTROLLER_PRODUCER_ID_BLOCK)
        error = KAFKA_UNKNOWN_SERVER_ERROR;
    response->error_code = (int16_t)error;
    if (error == KAFKA_NONE) {
        struct producer_ids_record *record = DRAFT_NEW(&draft, struct producer_ids_record);
        *record = producer_ids_record_default;
        record->broker_id = request->broker_id;
        record->broker_epoch = request->broker_epoch;
        record->next_producer_id = next + CONTROLLER_PRODUCER_ID_BLOCK;
        draft_add(&draft, &producer_ids_record_message, 0, record);
        response->producer_id_start = next;
        response->producer_id_len = CONTROLLER_PRODUCER_ID_BLOCK;
    }
    draft_finish(&draft, true, &allocate_producer_ids_response_message, response, out);
    return 0;
}
