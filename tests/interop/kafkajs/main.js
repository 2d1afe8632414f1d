// Runs every case of kafkajs against the broker at the address given.
'use strict'
const { run, Env } = require('./suite')
require('./group_cases')
require('./produce_cases')
require('./admin_cases')

const args = process.argv.slice(2)
if (args[0] === '--member' && args.length === 4) {
    // A member to be killed.
    new Env(args[1], 'member').member(args[2], args[3])
} else if (args.length === 1 || args.length === 2) {
    run(args[0], args[1] || '').then(failed => process.exit(failed ? 1 : 0))
} else {
    console.error("usage: main.js BOOTSTRAP [part of a case's name]")
    process.exit(2)
}
