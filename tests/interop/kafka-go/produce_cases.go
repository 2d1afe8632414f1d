package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"net"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
)

// What a writer sends is what a reader gets; what a broker must refuse, it refuses by name.
func addProduceCases(s *suite) {
	codecs := map[string]kafka.Compression{"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}
	for name, codec := range codecs {
		codec := codec
		s.add("produce_codec_"+name, func(e *env) { roundTrip(e, codec) })
		s.add("produce_900_kb_"+name, func(e *env) { large(e, codec) })
	}
	for name, acks := range map[string]kafka.RequiredAcks{"0": kafka.RequireNone, "1": kafka.RequireOne, "all": kafka.RequireAll} {
		acks := acks
		s.add("produce_acks_"+name, func(e *env) {
			topic := e.topic(1)
			w := e.writer(topic)
			w.RequiredAcks = acks
			for i := 0; i < 20; i++ {
				must(w.WriteMessages(e.ctx, kafka.Message{Value: []byte(fmt.Sprint("v", i))}))
			}
			// Without answers to wait for, records may overtake each other on several connections.
			want, have := values(20), valuesOf(e.readAll(topic, 20))
			sort.Strings(want)
			sort.Strings(have)
			same(want, have, "values")
		})
	}
	s.add("produce_null_and_empty", nullAndEmpty)
	s.add("produce_headers", headers)
	s.add("produce_too_large", tooLarge)
	s.add("produce_creates_topic", createsTopic)
	s.add("produce_low_level", lowLevel)
	s.add("disconnects_writer", cutWriter)
	s.add("disconnects_reader", cutReader)
}

func roundTrip(e *env, codec kafka.Compression) {
	topic := e.topic(1, kafka.ConfigEntry{ConfigName: "retention.ms", ConfigValue: "-1"}) // its records are too old for the default
	w := e.writer(topic)
	w.Compression = codec
	w.BatchSize = 100
	var sent []kafka.Message
	for i := 0; i < 500; i++ {
		sent = append(sent, kafka.Message{Key: []byte(fmt.Sprint("key ", i)), Value: []byte(strings.Repeat("value ", i%50) + fmt.Sprint(i)),
			Time: time.UnixMilli(1_600_000_000_000 + int64(i)), Headers: []kafka.Header{{Key: "number", Value: []byte(fmt.Sprint(i))}}})
	}
	must(w.WriteMessages(e.ctx, sent...))
	for i, m := range e.readAll(topic, 500) {
		same(int64(i), m.Offset, "offset")
		same(string(sent[i].Key), string(m.Key), "key")
		same(string(sent[i].Value), string(m.Value), "value")
		same(sent[i].Time.UnixMilli(), m.Time.UnixMilli(), "time")
		same(sent[i].Headers, m.Headers, "headers")
	}
}

func large(e *env, codec kafka.Compression) {
	topic := e.topic(1)
	w := e.writer(topic)
	w.Compression = codec
	for i := 0; i < 2; i++ {
		must(w.WriteMessages(e.ctx, kafka.Message{Value: noise(900_000)}))
	}
	for _, m := range e.readAll(topic, 2) {
		check(string(m.Value) == string(noise(900_000)), "the value at offset %d is another", m.Offset)
	}
}

func nullAndEmpty(e *env) {
	topic := e.topic(1)
	must(e.writer(topic).WriteMessages(e.ctx, kafka.Message{Key: nil, Value: nil}, kafka.Message{Key: []byte("k"), Value: nil},
		kafka.Message{Key: nil, Value: []byte("v")}, kafka.Message{Key: []byte{}, Value: []byte{}}))
	var have []string
	for _, m := range e.readAll(topic, 4) {
		have = append(have, fmt.Sprintf("%q=%q", m.Key, m.Value))
	}
	same([]string{`""=""`, `"k"=""`, `""="v"`, `""=""`}, have, "pairs")
}

func headers(e *env) {
	topic := e.topic(1)
	want := []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "b", Value: noise(5000)}, {Key: "a", Value: []byte("2")}, {Key: "ключ", Value: noise(1)}}
	must(e.writer(topic).WriteMessages(e.ctx, kafka.Message{Value: []byte("v"), Headers: want}))
	same(want, e.readAll(topic, 1)[0].Headers, "headers")
}

func tooLarge(e *env) {
	topic := e.topic(1, kafka.ConfigEntry{ConfigName: "max.message.bytes", ConfigValue: "1000"})
	fails(kafka.MessageSizeTooLarge, e.writer(topic).WriteMessages(e.ctx, kafka.Message{Value: noise(2000)}))
	must(e.writer(topic).WriteMessages(e.ctx, kafka.Message{Value: noise(900)}))
	same(int64(0), e.readAll(topic, 1)[0].Offset, "offset of the next")
}

func createsTopic(e *env) {
	topic := e.unique()
	w := e.writer(topic)
	w.AllowAutoTopicCreation = true
	e.await("the first record", func() bool {
		return w.WriteMessages(e.ctx, kafka.Message{Value: []byte("v")}) == nil
	})
	same("v", string(e.readAll(topic, 1)[0].Value), "value")
}

func lowLevel(e *env) {
	topic := e.topic(1)
	answer, err := e.client().Produce(e.ctx, &kafka.ProduceRequest{Topic: topic, Partition: 0, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte("a"))}, kafka.Record{Value: kafka.NewBytes([]byte("b"))})})
	must(err)
	must(answer.Error)
	same(int64(0), answer.BaseOffset, "base offset")
	fetched, err := e.client().Fetch(e.ctx, &kafka.FetchRequest{Topic: topic, Partition: 0, Offset: 0, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
	must(err)
	must(fetched.Error)
	same(int64(2), fetched.HighWatermark, "high watermark")
	_, err = e.client().Produce(e.ctx, &kafka.ProduceRequest{Topic: topic, Partition: 7, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte("a"))})})
	check(err != nil, "there is no partition 7")
}

// Connections of a client that are cut at random, before a write reaches the broker or after it has.
type cutter struct {
	lock          sync.Mutex
	random        *rand.Rand
	cuts, cutsMax int
}

func (c *cutter) draw() (before, after bool) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.cuts == c.cutsMax || c.random.Intn(10) > 0 {
		return false, false
	}
	c.cuts++
	after = c.random.Intn(2) == 0
	return !after, after
}

func (c *cutter) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &cutConn{conn, c}, nil
}

// As if the peer had reset it, which the client takes for a reason to try again.
type cutConn struct {
	net.Conn
	cutter *cutter
}

func (c *cutConn) Write(b []byte) (int, error) {
	before, after := c.cutter.draw()
	if before {
		c.Conn.Close()
		return 0, syscall.ECONNRESET
	}
	n, err := c.Conn.Write(b)
	if after {
		c.Conn.Close()
	}
	return n, err
}

func (c *cutConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if errors.Is(err, net.ErrClosed) {
		err = syscall.ECONNRESET
	}
	return n, err
}

func newCutter(seed int64) *cutter {
	return &cutter{random: rand.New(rand.NewSource(seed)), cutsMax: 30}
}

// Not idempotent: records may come twice, but none is lost, and none overtakes another for the first time.
func cutWriter(e *env) {
	topic := e.topic(1)
	cut := newCutter(1)
	w := e.writer(topic)
	w.Transport = &kafka.Transport{Dial: cut.dial, MetadataTopics: []string{topic}}
	w.MaxAttempts = 50
	w.BatchSize = 1
	for _, v := range values(300) {
		must(w.WriteMessages(e.ctx, kafka.Message{Value: []byte(v)}))
	}
	check(cut.cuts >= 10, "only %d connections were cut", cut.cuts)
	r := e.reader(kafka.ReaderConfig{Topic: topic, Partition: 0})
	seen := map[string]bool{}
	var order []string
	for len(order) < 300 {
		m := e.read(r, 1)[0]
		if !seen[string(m.Value)] {
			seen[string(m.Value)] = true
			order = append(order, string(m.Value))
		}
	}
	same(values(300), order, "values in the order of their first arrival")
}

func cutReader(e *env) {
	topic := e.topic(1)
	for i := 0; i < 20; i++ {
		e.fill(topic, 0, 20)
	}
	cut := newCutter(2)
	r := e.reader(kafka.ReaderConfig{Topic: topic, Partition: 0, MaxBytes: 300, MinBytes: 1, MaxAttempts: 50,
		Dialer: &kafka.Dialer{DialFunc: cut.dial, Timeout: 5 * time.Second}})
	for i, m := range e.read(r, 400) {
		same(int64(i), m.Offset, "offset")
	}
	check(cut.cuts >= 3, "only %d connections were cut", cut.cuts)
}
