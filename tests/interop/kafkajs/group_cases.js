// Members that come, go and crash; commits and positions.
'use strict'
const assert = require('assert')
const { fork } = require('child_process')
const path = require('path')
const { PartitionAssigners } = require('kafkajs')
const { add, shared, until } = require('./suite')

add('group_members_come_and_go', async env => {
    const topic = await env.topic(6)
    const group = env.unique()
    const members = []
    for (let i = 0; i < 3; i++) {
        members.push(await env.member(group, topic, { partitionAssigners: [PartitionAssigners.roundRobin] }))
        await shared(members, 6)
    }
    for (let p = 0; p < 6; p++)
        await env.fill(topic, p, 10)
    const seen = () => members.flatMap(m => m.seen.map(r => `${r.partition}-${r.offset}`))
    await until('60 records', () => seen().length >= 60)
    assert.strictEqual(new Set(seen()).size, 60, 'different records')
    while (members.length > 1) {
        await env.drop(members.shift())
        await shared(members, 6)
    }
})

add('group_member_is_killed', async env => {
    const topic = await env.topic(4)
    const group = env.unique()
    const stays = await env.member(group, topic)
    const victim = fork(path.join(__dirname, 'main.js'), ['--member', env.bootstrap, group, topic])
    try {
        await until('two partitions are given away', () => stays.own.size === 2)
    } finally {
        victim.kill('SIGKILL')
    }
    await shared([stays], 4)
})

add('group_resumes_at_committed_offset', async env => {
    const topic = await env.topic()
    const group = env.unique()
    await env.fill(topic, 0, 100)
    const first = await env.member(group, topic)
    await until('30 records', () => first.seen.length >= 30)
    await first.commitOffsets([{ topic, partition: 0, offset: '30', metadata: 'thirty' }])
    await env.drop(first)
    const second = await env.member(group, topic)
    await until('the rest', () => second.seen.length >= 70)
    assert.strictEqual(second.seen[0].offset, '30', 'first offset')
    const [{ partitions }] = await (await env.admin()).fetchOffsets({ groupId: group, topics: [topic] })
    assert.deepStrictEqual(partitions, [{ partition: 0, offset: '30', metadata: 'thirty' }])
})

add('group_auto_commit', async env => {
    const topic = await env.topic()
    const group = env.unique()
    await env.fill(topic, 0, 50)
    await env.member(group, topic, { run: { autoCommit: true, autoCommitThreshold: 10 } })
    const admin = await env.admin()
    await until('the commit', async () =>
        (await admin.fetchOffsets({ groupId: group, topics: [topic] }))[0].partitions[0].offset === '50')
})

add('group_seek', async env => {
    const topic = await env.topic()
    await env.fill(topic, 0, 50)
    const member = await env.member(env.unique(), topic)
    await until('all records', () => member.seen.length >= 50)
    member.seen.length = 0
    member.seek({ topic, partition: 0, offset: '42' })
    await until('the last eight', () => member.seen.length >= 8)
    assert.deepStrictEqual(member.seen.map(m => m.offset), ['42', '43', '44', '45', '46', '47', '48', '49'])
})

add('group_pause_and_resume', async env => {
    const paused = await env.topic()
    const other = await env.topic()
    const member = await env.member(env.unique(), [paused, other])
    await shared([member], 2)
    member.pause([{ topic: paused }])
    await env.fill(paused, 0, 5)
    await env.fill(other, 0, 5)
    await until('the other topic', () => member.seen.filter(m => m.topic === other).length === 5)
    member.resume([{ topic: paused }])
    await until('the paused topic', () => member.seen.filter(m => m.topic === paused).length === 5)
})

add('group_described', async env => {
    const topic = await env.topic(2)
    const group = env.unique()
    const member = await env.member(group, topic)
    await shared([member], 2)
    const description = await member.describeGroup()
    assert.strictEqual(description.state, 'Stable', 'state')
    assert.strictEqual(description.protocolType, 'consumer', 'kind of protocol')
    assert.strictEqual(description.protocol, 'RoundRobinAssigner', 'protocol')
    assert.strictEqual(description.members.length, 1, 'members')
    assert.strictEqual(description.members[0].clientId, 'kafkajs-suite', 'client id')
})
