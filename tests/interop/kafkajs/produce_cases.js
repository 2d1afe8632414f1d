// What a producer sends is what a consumer reads; what a broker must refuse, it refuses by name.
'use strict'
const assert = require('assert')
const crypto = require('crypto')
const { CompressionTypes } = require('kafkajs')
require('./codecs')
const { Proxy } = require('./proxy')
const { add, fails, until } = require('./suite')

for (const [name, compression] of Object.entries(CompressionTypes)) {
    add(`produce_codec_${name.toLowerCase()}`, async env => {
        const topic = await env.topic(1, { 'retention.ms': -1 }) // its records are too old for the default
        const producer = await env.producer()
        const text = i => 'value '.repeat(i % 50) + i
        for (let batch = 0; batch < 5; batch++) {
            const messages = []
            for (let i = batch * 100; i < batch * 100 + 100; i++)
                messages.push({
                    key: `key ${i}`, value: text(i), headers: { number: String(i) }, timestamp: String(1_600_000_000_000 + i),
                })
            const [report] = await producer.send({ topic, compression, messages })
            assert.strictEqual(report.baseOffset, String(batch * 100), 'base offset')
        }
        const seen = await env.readAll(topic, 500)
        seen.forEach((message, i) => {
            assert.strictEqual(message.offset, String(i), 'offset')
            assert.strictEqual(message.key.toString(), `key ${i}`, 'key')
            assert.strictEqual(message.value.toString(), text(i), 'value')
            assert.strictEqual(message.timestamp, String(1_600_000_000_000 + i), 'timestamp')
            assert.strictEqual(message.headers.number.toString(), String(i), 'header')
        })
    })
}

for (const acks of [0, 1, -1])
    add(`produce_acks_${acks === -1 ? 'all' : acks}`, async env => {
        const topic = await env.topic()
        const producer = await env.producer()
        for (let i = 0; i < 20; i++)
            await producer.send({ topic, acks, messages: [{ value: `v${i}` }] })
        const seen = await env.readAll(topic, 20)
        assert.deepStrictEqual(seen.map(m => m.value.toString()), Array.from({ length: 20 }, (_, i) => `v${i}`))
    })

add('produce_null_and_empty', async env => {
    const topic = await env.topic()
    const pairs = [[null, null], ['', ''], ['key', null], [null, 'value']]
    await (await env.producer()).send({ topic, messages: pairs.map(([key, value]) => ({ key, value })) })
    const seen = await env.readAll(topic, 4)
    assert.deepStrictEqual(seen.map(m => [m.key && m.key.toString(), m.value && m.value.toString()]), pairs)
})

add('produce_headers', async env => {
    const topic = await env.topic()
    const large = crypto.randomBytes(5000)
    await (await env.producer()).send({ topic, messages: [{ value: 'v', headers: { a: ['1', '2'], ключ: large, empty: '' } }] })
    const { headers } = (await env.readAll(topic, 1))[0]
    assert.deepStrictEqual(headers.a.map(String), ['1', '2'], 'a name that occurs twice')
    assert(large.equals(headers['ключ']), 'large header')
    assert.strictEqual(headers.empty.length, 0, 'empty header')
})

add('produce_900_kb', async env => {
    const topic = await env.topic()
    const value = crypto.randomBytes(900_000)
    const producer = await env.producer()
    for (let i = 0; i < 3; i++)
        await producer.send({ topic, messages: [{ value }] })
    for (const message of await env.readAll(topic, 3))
        assert(value.equals(message.value), `the value at offset ${message.offset} is another`)
})

add('produce_too_large', async env => {
    const topic = await env.topic(1, { 'max.message.bytes': 1000 })
    const producer = await env.producer()
    await fails('MESSAGE_TOO_LARGE', () => producer.send({ topic, messages: [{ value: crypto.randomBytes(2000) }] }))
    const [report] = await producer.send({ topic, messages: [{ value: crypto.randomBytes(900) }] })
    assert.strictEqual(report.baseOffset, '0', 'offset of the next')
})

add('produce_log_append_time', async env => {
    const topic = await env.topic(1, { 'message.timestamp.type': 'LogAppendTime' })
    const before = Date.now()
    await (await env.producer()).send({ topic, messages: [{ value: 'v', timestamp: '1000' }] })
    assert(Number((await env.readAll(topic, 1))[0].timestamp) >= before, 'the time of the broker')
})

add('produce_creates_topic', async env => {
    const topic = env.unique()
    const producer = await env.producer({ allowAutoTopicCreation: true })
    await producer.send({ topic, messages: [{ value: 'v' }] })
    assert.strictEqual((await env.readAll(topic, 1))[0].value.toString(), 'v')
})

add('produce_many_topics_in_one_request', async env => {
    const topics = []
    for (let i = 0; i < 5; i++)
        topics.push(await env.topic(2))
    const producer = await env.producer()
    await producer.sendBatch({
        topicMessages: topics.map(topic => ({ topic, messages: [{ partition: 0, value: 'a' }, { partition: 1, value: 'b' }] })),
    })
    const seen = await env.readAll(topics, 10)
    assert.strictEqual(new Set(seen.map(m => `${m.topic}-${m.partition}-${m.value}`)).size, 10, 'different records')
})

async function proxy(env, cutsMax) {
    const [{ host, port }] = (await (await env.admin()).describeCluster()).brokers
    const proxy = new Proxy({ host, port }, 0.1, cutsMax)
    const retry = { initialRetryTime: 5, maxRetryTime: 20, retries: 50 }
    proxy.kafka = env.client({ brokers: [await proxy.listen()], retry })
    return proxy
}

add('disconnects_idempotent_producer', async env => {
    const topic = await env.topic()
    const between = await proxy(env, 30)
    const producer = await env.keep(between.kafka.producer({ idempotent: true, maxInFlightRequests: 1 }))
    between.begin()
    for (let i = 0; i < 300; i++)
        await producer.send({ topic, messages: [{ value: `v${i}` }] })
    assert(between.cuts >= 10, `only ${between.cuts} connections were cut`)
    const seen = await env.readAll(topic, 300)
    assert.deepStrictEqual(seen.map(m => m.value.toString()), Array.from({ length: 300 }, (_, i) => `v${i}`))
    between.close()
})

add('disconnects_group', async env => {
    const topic = await env.topic()
    for (let i = 0; i < 10; i++)
        await env.fill(topic, 0, 20)
    const between = await proxy(env, 15)
    const group = env.unique()
    const offsets = new Set()
    const join = async () => {
        const member = await env.member(group, topic,
            { kafka: between.kafka, run: { autoCommit: true }, maxBytesPerPartition: 200, maxWaitTimeInMs: 20 })
        between.begin()
        return member
    }
    let member = await join()
    await until('every record', async () => {
        member.seen.forEach(m => offsets.add(m.offset))
        // A cut while kafkajs asks for the coordinator ends the member for good; then it is up to the application.
        if (member.isGivenUp)
            member = await join().catch(() => member)
        return offsets.size === 200 && between.cuts >= 10
    })
    between.close()
})
