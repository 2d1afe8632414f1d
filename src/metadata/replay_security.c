/* Replay of records about principals and limits: ACLs, SCRAM credentials, delegation tokens, client quotas. */
#include "base/mem.h"
#include "metadata/item_int.h"
#include "metadata/replay_int.h"
#include "wire/messages/access_control_entry_record.h"
#include "wire/messages/client_quota_record.h"
#include "wire/messages/delegation_token_record.h"
#include "wire/messages/remove_access_control_entry_record.h"
#include "wire/messages/remove_delegation_token_record.h"
#include "wire/messages/remove_user_scram_credential_record.h"
#include "wire/messages/user_scram_credential_record.h"

#include <stdlib.h>

static int compare_parts(const void *a, const void *b)
{
    const struct metadata_quota_entity_part *pa = a;
    const struct metadata_quota_entity_part *pb = b;
    return bytes_compare(pa->type, pb->type);
}

static void put_quota_value(struct metadata_image *image, const struct metadata_quota_key *key,
                            const struct client_quota_record *record)
{
    struct metadata_item **place =
        metadata_tree_own(&image->quotas, metadata__by_quota_entity, key);
    const struct metadata_tree none = { .root = NULL };
    struct metadata_quota *quota = place == NULL ? NULL : (struct metadata_quota *)*place;
    if (quota == NULL || metadata_item_count(&quota->item) > 1) {
        quota = metadata__quota_new(key->parts, key->part_count,
                                    quota == NULL ? &none : &quota->values);
        metadata_tree_put(&image->quotas, metadata__by_quota_entity, key, &quota->item);
    }
    struct metadata_quota_value *value = metadata__quota_value_new(record->key, record->value);
    metadata_tree_put(&quota->values, metadata__by_quota_value, &value->key, &value->item);
}

static void remove_quota_value(struct metadata_image *image, const struct metadata_quota_key *key,
                               const struct client_quota_record *record)
{
    const struct metadata_quota *quota = (const struct metadata_quota *)metadata_tree_get(
        &image->quotas, metadata__by_quota_entity, key);
    if (quota == NULL)
        return;
    struct metadata_tree values = metadata_tree_share(&quota->values);
    metadata_tree_remove(&values, metadata__by_quota_value, &record->key);
    if (values.root == NULL) {
        metadata_tree_remove(&image->quotas, metadata__by_quota_entity, key);
    } else {
        struct metadata_quota *copy = metadata__quota_new(key->parts, key->part_count, &values);
        metadata_tree_put(&image->quotas, metadata__by_quota_entity, key, &copy->item);
    }
    metadata_tree_release(&values);
}

static int replay_client_quota(struct metadata_image *image,
                               const struct client_quota_record *record)
{
    const uint32_t count = record->entity_count < 0 ? 0 : (uint32_t)record->entity_count;
    AUTO(mem_freep)
    struct metadata_quota_entity_part *parts =
        MEM_NEW_ARRAY(struct metadata_quota_entity_part, count);
    for (uint32_t i = 0; i < count; i++) {
        parts[i] = (struct metadata_quota_entity_part){ .type = record->entity[i].entity_type,
                                                        .name = record->entity[i].entity_name };
    }
    if (count > 1)
        qsort(parts, count, sizeof(*parts), compare_parts);
    const struct metadata_quota_key key = { .parts = parts, .part_count = count };
    if (record->remove)
        remove_quota_value(image, &key, record);
    else
        put_quota_value(image, &key, record);
    return 0;
}

static int replay_acl(struct metadata_image *image, const struct access_control_entry_record *r)
{
    const struct metadata_acl content = { .id = r->id,
                                          .resource_type = r->resource_type,
                                          .pattern_type = r->pattern_type,
                                          .operation = r->operation,
                                          .permission_type = r->permission_type,
                                          .resource_name = r->resource_name,
                                          .principal = r->principal,
                                          .host = r->host };
    struct metadata_acl *acl = metadata__acl_new(&content);
    metadata_tree_put(&image->acls, metadata__by_acl_id, &acl->id, &acl->item);
    return 0;
}

static int replay_remove_acl(struct metadata_image *image,
                             const struct remove_access_control_entry_record *r,
                             struct err_note *note)
{
    if (!metadata_tree_remove(&image->acls, metadata__by_acl_id, &r->id)) {
        char id[UUID_TEXT_SIZE];
        uuid_to_text(r->id, id);
        return err_note(note, -ERR_MALFORMED, "there is no ACL with id %s", id);
    }
    return 0;
}

static int replay_scram(struct metadata_image *image, const struct user_scram_credential_record *r)
{
    const struct metadata_scram content = { .mechanism = r->mechanism,
                                            .user = r->name,
                                            .salt = r->salt,
                                            .stored_key = r->stored_key,
                                            .server_key = r->server_key,
                                            .iterations = r->iterations };
    struct metadata_scram *scram = metadata__scram_new(&content);
    const struct metadata_scram_key key = { .mechanism = r->mechanism, .user = r->name };
    metadata_tree_put(&image->scram, metadata__by_scram, &key, &scram->item);
    return 0;
}

static int replay_token(struct metadata_image *image, const struct delegation_token_record *r)
{
    const struct metadata_token content = {
        .id = r->token_id,
        .owner = r->owner,
        .requester = r->requester,
        .renewers = r->renewers,
        .renewer_count = r->renewers_count < 0 ? 0 : (uint32_t)r->renewers_count,
        .issue_ms = r->issue_timestamp,
        .expiry_ms = r->expiration_timestamp,
        .max_ms = r->max_timestamp,
    };
    struct metadata_token *token = metadata__token_new(&content);
    metadata_tree_put(&image->tokens, metadata__by_token_id, &token->id, &token->item);
    return 0;
}

int metadata__replay_security(struct metadata_image *image, const struct metadata_record *record,
                              struct err_note *note)
{
    switch (record->message->id) {
    case METADATA_CLIENT_QUOTA:
        return replay_client_quota(image, record->value);
    case METADATA_ACCESS_CONTROL_ENTRY:
        return replay_acl(image, record->value);
    case METADATA_REMOVE_ACCESS_CONTROL_ENTRY:
        return replay_remove_acl(image, record->value, note);
    case METADATA_USER_SCRAM_CREDENTIAL:
        return replay_scram(image, record->value);
    case METADATA_REMOVE_USER_SCRAM_CREDENTIAL: { /* gone already: fine, as in Kafka */
        const struct remove_user_scram_credential_record *r = record->value;
        const struct metadata_scram_key key = { .mechanism = r->mechanism, .user = r->name };
        metadata_tree_remove(&image->scram, metadata__by_scram, &key);
        return 0;
    }
    case METADATA_DELEGATION_TOKEN:
        return replay_token(image, record->value);
    case METADATA_REMOVE_DELEGATION_TOKEN: {
        const struct remove_delegation_token_record *r = record->value;
        metadata_tree_remove(&image->tokens, metadata__by_token_id, &r->token_id);
        return 0;
    }
    default:
        return -ERR_UNKNOWN_RECORD;
    }
}
