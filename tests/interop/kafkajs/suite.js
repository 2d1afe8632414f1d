// Runs named cases, several at once, each within a time limit, and prints one line for each.
'use strict'
const assert = require('assert')
const { Kafka, logLevel } = require('kafkajs')

const CASE_TIMEOUT_MS = 120_000
const CASES_AT_ONCE = 8 // nearly all of them wait nearly all of the time
const RUN = Math.random().toString(36).slice(2, 10)

const cases = []

function add(name, body) {
    cases.push({ name, body })
}

async function until(what, condition) {
    const end = Date.now() + CASE_TIMEOUT_MS - 10_000
    for (;;) {
        const answer = await condition()
        if (answer)
            return answer
        assert(Date.now() < end, `still not: ${what}`)
        await new Promise(resolve => setTimeout(resolve, 20))
    }
}

// The body must fail with this error of the protocol, wherever it is wrapped.
async function fails(type, body) {
    try {
        await body()
    } catch (e) {
        const all = [e, e.cause, ...(e.errors || []), ...(e.groups || [])].filter(x => x)
        assert(all.some(x => x.type === type || x.name === type || (x.error && x.error.type === type)),
            `want ${type}, have ${e.name} ${e.type} ${e.message}`)
        return
    }
    assert.fail(`want ${type}, have success`)
}

// What one case works with: names of its own, and clients that are closed after it.
class Env {
    constructor(bootstrap, name) {
        this.bootstrap = bootstrap
        this.name = name
        this.names = 0
        this.open = []
        this.topics = []
        this.kafka = this.client()
    }

    client(more = {}) {
        return new Kafka({
            clientId: 'kafkajs-suite',
            brokers: [this.bootstrap],
            logLevel: logLevel.NOTHING,
            retry: { initialRetryTime: 50, maxRetryTime: 300, retries: 10 },
            ...more,
        })
    }

    unique() {
        return `kafkajs.${RUN}.${this.name}.${this.names++}`
    }

    async keep(client) {
        this.open.push(client)
        await client.connect()
        return client
    }

    async admin() {
        if (!this.theAdmin)
            this.theAdmin = await this.keep(this.kafka.admin())
        return this.theAdmin
    }

    async topic(partitions = 1, config = {}) {
        const topic = this.unique()
        const configEntries = Object.entries(config).map(([name, value]) => ({ name, value: String(value) }))
        const admin = await this.admin()
        await admin.createTopics({ waitForLeaders: false, topics: [{ topic, numPartitions: partitions, configEntries }] })
        this.topics.push(topic)
        await this.ready(topic, partitions)
        return topic
    }

    // Until each partition has a leader that answers.
    async ready(topic, partitions) {
        const admin = await this.admin()
        await until(`topic ${topic}`, async () => {
            try {
                return (await admin.fetchTopicOffsets(topic)).length === partitions
            } catch (e) {
                return false
            }
        })
    }

    producer(options = {}) {
        return this.keep(this.kafka.producer(options))
    }

    // Sends v0, v1, … to one partition.
    async fill(topic, partition, count) {
        const producer = await this.producer()
        const messages = []
        for (let i = 0; i < count; i++)
            messages.push({ partition, key: `k${i}`, value: `v${i}` })
        await producer.send({ topic, messages })
    }

    // A member of a group; what it reads is in its list `seen`, what it owns in its set `own`.
    async member(groupId, topics, options = {}) {
        const consumer = (options.kafka || this.kafka).consumer({
            groupId, sessionTimeout: 6000, rebalanceTimeout: 10_000, heartbeatInterval: 500, maxWaitTimeInMs: 200, ...options,
        })
        consumer.seen = []
        consumer.own = new Set()
        consumer.on(consumer.events.GROUP_JOIN, event => {
            consumer.own = new Set(Object.entries(event.payload.memberAssignment)
                .flatMap(([topic, partitions]) => partitions.map(p => `${topic}-${p}`)))
        })
        consumer.on(consumer.events.REBALANCING, () => { consumer.own = new Set() })
        consumer.on(consumer.events.CRASH, event => {
            consumer.crash = event.payload.error
            consumer.isGivenUp = !event.payload.restart // or kafkajs starts it again by itself
        })
        await this.keep(consumer)
        await consumer.subscribe({ topics: [].concat(topics), fromBeginning: true })
        await consumer.run({
            autoCommit: false,
            partitionsConsumedConcurrently: 4,
            eachMessage: async ({ topic, partition, message }) => {
                consumer.seen.push({ topic, partition, ...message })
            },
            ...options.run,
        })
        return consumer
    }

    async readAll(topic, count, options = {}) {
        const consumer = await this.member(this.unique(), topic, options)
        await until(`${count} records`, () => {
            if (consumer.crash)
                throw consumer.crash
            return consumer.seen.length >= count
        })
        assert.strictEqual(consumer.seen.length, count, 'records')
        await this.drop(consumer)
        return consumer.seen
    }

    async drop(client) {
        this.open.splice(this.open.indexOf(client), 1)
        await client.disconnect()
    }

    async close() {
        await Promise.all(this.open.map(client => client === this.theAdmin || client.disconnect().catch(() => {})))
        if (this.topics.length > 0) // some cases delete them themselves
            await this.theAdmin.deleteTopics({ topics: this.topics }).catch(() => {})
        if (this.theAdmin)
            await this.theAdmin.disconnect()
    }
}

// Until each partition has one owner, and the members own alike.
function shared(members, partitions) {
    return until(`${partitions} partitions shared by ${members.length}`, () => {
        const all = members.flatMap(m => [...m.own])
        return all.length === partitions && new Set(all).size === partitions &&
            members.every(m => Math.abs(m.own.size - partitions / members.length) < 1)
    })
}

async function runOne(test, bootstrap) {
    const env = new Env(bootstrap, test.name)
    let timer
    const limit = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`not done after ${CASE_TIMEOUT_MS / 1000} s`)), CASE_TIMEOUT_MS)
    })
    try {
        await Promise.race([test.body(env).then(() => env.close()), limit])
        console.log(`ok ${test.name}`)
        return true
    } catch (e) {
        const at = /\((?:.*\/)(\w+_cases\.js:\d+)/.exec(e.stack || '')
        console.log(`FAIL ${test.name}: ${e.message}${at ? ` (${at[1]})` : ''}`.replace(/\n/g, ' '))
        return false
    } finally {
        clearTimeout(timer)
    }
}

async function run(bootstrap, only) {
    const queue = cases.filter(c => c.name.includes(only))
    let passed = 0
    let failed = 0
    const worker = async () => {
        for (let c = queue.shift(); c; c = queue.shift())
            if (await runOne(c, bootstrap))
                passed++
            else
                failed++
    }
    await Promise.all(Array.from({ length: CASES_AT_ONCE }, worker))
    console.log(`${passed} passed, ${failed} failed`)
    return failed
}

module.exports = { add, until, fails, shared, run, Env }
