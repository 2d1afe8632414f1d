// kafkajs knows gzip; the other codecs are put in here.
'use strict'
const { CompressionTypes, CompressionCodecs } = require('kafkajs')
const SnappyCodec = require('kafkajs-snappy')
const lz4 = require('lz4js')
const xxhash = require('lz4js/xxh32.js')
const { ZstdCodec } = require('zstd-codec')

CompressionCodecs[CompressionTypes.Snappy] = SnappyCodec

// A frame of independent blocks, which is what Kafka asks for; lz4js itself writes dependent ones.
function lz4Frame(input) {
    const BLOCK = 65536
    const STORED = 0x80000000
    const descriptor = Buffer.from([0x60, 0x40]) // version 1, independent; blocks of 64 KiB
    const parts = [Buffer.from([0x04, 0x22, 0x4d, 0x18]), descriptor, Buffer.from([(xxhash.hash(0, descriptor, 0, 2) >> 8) & 0xff])]
    for (let at = 0; at < input.length; at += BLOCK) {
        const block = input.subarray(at, at + BLOCK)
        const out = Buffer.alloc(lz4.compressBound(block.length))
        const size = lz4.compressBlock(block, out, 0, block.length, new Uint32Array(65536))
        const head = Buffer.alloc(4)
        const small = size > 0 && size < block.length
        head.writeUInt32LE(small ? size : block.length + STORED)
        parts.push(head, small ? out.subarray(0, size) : block)
    }
    return Buffer.concat([...parts, Buffer.alloc(4)])
}

CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: async encoder => lz4Frame(encoder.buffer),
    decompress: async buffer => Buffer.from(lz4.decompress(buffer)),
})

const zstd = new Promise(resolve => ZstdCodec.run(codec => resolve(new codec.Streaming())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer)),
    decompress: async buffer => Buffer.from((await zstd).decompress(buffer)),
})
