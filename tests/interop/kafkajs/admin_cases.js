// Admin calls of kafkajs.
'use strict'
const assert = require('assert')
const { ConfigResourceTypes } = require('kafkajs')
const { add, fails, shared, until } = require('./suite')

async function config(admin, topic, name) {
    const answer = await admin.describeConfigs({
        includeSynonyms: true, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: [name] }],
    })
    return answer.resources[0].configEntries[0]
}

add('admin_topics', async env => {
    const admin = await env.admin()
    const topic = await env.topic(3)
    const metadata = await admin.fetchTopicMetadata({ topics: [topic] })
    assert.strictEqual(metadata.topics[0].partitions.length, 3, 'partitions')
    assert((await admin.listTopics()).includes(topic), 'listed')
    assert.strictEqual(await admin.createTopics({ topics: [{ topic }] }), false, 'made again')
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
    await env.ready(topic, 5)
    await fails('INVALID_PARTITIONS', () => admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] }))
    await admin.deleteTopics({ topics: [topic] })
    await until('the topic is gone', async () => !(await admin.listTopics()).includes(topic))
    await fails('UNKNOWN_TOPIC_OR_PARTITION', () => admin.deleteTopics({ topics: [topic] }))
})

add('admin_topic_refusals', async env => {
    const admin = await env.admin()
    const create = more => () => admin.createTopics({ topics: [{ topic: env.unique(), ...more }] })
    await fails('INVALID_TOPIC_EXCEPTION', create({ topic: 'no spaces' }))
    await fails('INVALID_REPLICATION_FACTOR', create({ numPartitions: 1, replicationFactor: 9 }))
    await fails('INVALID_PARTITIONS', create({ numPartitions: 0, replicationFactor: 1 }))
    await fails('INVALID_CONFIG', create({ configEntries: [{ name: 'no.such', value: '1' }] }))
})

add('admin_configs', async env => {
    const admin = await env.admin()
    const topic = await env.topic(1, { 'segment.ms': 777777 })
    assert.strictEqual((await config(admin, topic, 'segment.ms')).configValue, '777777', 'segment.ms')
    assert.strictEqual((await config(admin, topic, 'retention.ms')).isDefault, true, 'retention.ms')
    await admin.alterConfigs({
        resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'retention.ms', value: '1234567' }] }],
    })
    await until('retention.ms', async () => (await config(admin, topic, 'retention.ms')).configValue === '1234567')
    assert.strictEqual((await config(admin, topic, 'segment.ms')).configValue, '604800000', 'what is not named is reset')
})

add('admin_offsets', async env => {
    const admin = await env.admin()
    const topic = await env.topic(1, { 'retention.ms': -1 }) // its records are too old for the default
    const producer = await env.producer()
    for (const timestamp of ['1000', '2000', '3000'])
        await producer.send({ topic, messages: [{ value: 'v', timestamp }] })
    assert.deepStrictEqual(await admin.fetchTopicOffsets(topic), [{ partition: 0, offset: '3', high: '3', low: '0' }])
    assert.deepStrictEqual(await admin.fetchTopicOffsetsByTimestamp(topic, 1500), [{ partition: 0, offset: '1' }])
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] })
    assert.strictEqual((await admin.fetchTopicOffsets(topic))[0].low, '2', 'low watermark')
})

add('admin_groups', async env => {
    const admin = await env.admin()
    const topic = await env.topic()
    const group = env.unique()
    const member = await env.member(group, topic)
    await shared([member], 1)
    assert((await admin.listGroups()).groups.some(g => g.groupId === group), 'listed')
    assert.strictEqual((await admin.describeGroups([group])).groups[0].state, 'Stable', 'state')
    await fails('NON_EMPTY_GROUP', () => admin.deleteGroups([group]))
    await env.drop(member)
    await admin.setOffsets({ groupId: group, topic, partitions: [{ partition: 0, offset: '7' }] })
    assert.strictEqual((await admin.fetchOffsets({ groupId: group, topics: [topic] }))[0].partitions[0].offset, '7', 'offset')
    await admin.deleteGroups([group])
    await fails('GROUP_ID_NOT_FOUND', () => admin.deleteGroups([group]))
})

add('admin_cluster', async env => {
    const cluster = await (await env.admin()).describeCluster()
    assert.strictEqual(cluster.brokers.length, 1, 'brokers')
    assert.strictEqual(cluster.controller, cluster.brokers[0].nodeId, 'controller')
    assert.strictEqual(cluster.clusterId.length, 22, 'length of the cluster id')
})
