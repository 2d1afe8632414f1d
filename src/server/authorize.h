/* The one place where an operation is allowed or refused. Without an authorizer everything is
 * allowed; the ACL evaluation of security/ will answer here, and no handler will change.
 * Operations and resources by their Kafka codes (AclOperation, ResourceType; KIP-133, KIP-430).
 */
#pragma once

#include "base/bytes.h"

enum acl_operation {
    ACL_READ = 3,
    ACL_WRITE = 4,
    ACL_CREATE = 5,
    ACL_DELETE = 6,
    ACL_ALTER = 7,
    ACL_DESCRIBE = 8,
    ACL_CLUSTER_ACTION = 9,
    ACL_DESCRIBE_CONFIGS = 10,
    ACL_ALTER_CONFIGS = 11,
    ACL_IDEMPOTENT_WRITE = 12,
};

enum acl_resource {
    ACL_TOPIC = 2,
    ACL_GROUP = 3,
    ACL_CLUSTER = 4,
    ACL_TRANSACTIONAL_ID = 5,
};

struct request;

bool authorize(const struct request *request, enum acl_operation operation,
               enum acl_resource resource, struct bytes name);

/* The bit set of operations the principal may do on a resource (KIP-430), as Metadata, DescribeCluster and
 * DescribeGroups answer it when asked; INT32_MIN when not asked. */
int32_t authorized_operations(const struct request *request, enum acl_resource resource,
                              struct bytes name);
