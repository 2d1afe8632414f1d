// Stands between a client and a broker and cuts connections at random: before a request reaches the broker, after it did
// and before the answer comes back, or after that. Never within an answer: kafkajs 2.2.4 takes the rest of one for the
// beginning of the next connection's first.
'use strict'
const net = require('net')

function address(host, port) {
    const out = Buffer.alloc(host.length + 4, host)
    out.writeInt32BE(port, host.length)
    return out
}

// After begin(), cuts at each frame with this chance, until so many cuts have been made. The broker's address in its answers, a host and
// then a port, becomes the proxy's own.
class Proxy {
    constructor({ host, port }, chance = 0.1, cutsMax = 30) {
        this.broker = { host, port }
        this.chance = chance
        this.cutsMax = cutsMax
        this.cuts = 0
        this.begun = false
    }

    // Not before the client is connected: kafkajs does not try its first request again.
    begin() {
        this.begun = true
    }

    async listen() {
        this.server = net.createServer(client => {
            const server = net.connect(this.broker)
            this.pump(client, server)
            this.pump(server, client)
        })
        await new Promise(resolve => this.server.listen(0, '127.0.0.1', resolve))
        const { port } = this.server.address()
        this.theirs = address(this.broker.host, this.broker.port)
        this.own = address(this.broker.host, port)
        return `${this.broker.host}:${port}`
    }

    close() {
        this.server.close()
    }

    pump(from, to) {
        const cut = () => {
            from.destroy()
            to.destroy()
        }
        let held = Buffer.alloc(0)
        from.setNoDelay(true)
        from.on('error', cut)
        from.on('close', cut)
        from.on('data', data => {
            held = Buffer.concat([held, data])
            while (held.length >= 4 && held.length >= 4 + held.readInt32BE(0)) {
                const frame = held.subarray(0, 4 + held.readInt32BE(0))
                held = held.subarray(frame.length)
                if (!this.pass(frame, to)) {
                    to.end(cut)
                    return
                }
            }
        })
    }

    // False if the connection is to be cut now.
    pass(frame, to) {
        for (let at = frame.indexOf(this.theirs); at >= 0; at = frame.indexOf(this.theirs, at + 1))
            this.own.copy(frame, at)
        if (!this.begun || this.cuts === this.cutsMax || Math.random() >= this.chance) {
            to.write(frame)
            return true
        }
        this.cuts++
        if (Math.random() < 0.5)
            to.write(frame)
        return false
    }
}

module.exports = { Proxy }
