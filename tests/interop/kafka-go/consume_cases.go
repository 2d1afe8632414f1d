package main

import (
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// Reading by offset and by time.
func addConsumeCases(s *suite) {
	s.add("consume_set_offset", setOffset)
	s.add("consume_offsets_of_times", offsetsOfTimes)
	s.add("consume_connection", connection)
	s.add("consume_lag", lag)
}

func setOffset(e *env) {
	topic := e.topic(1)
	e.fill(topic, 0, 100)
	r := e.reader(kafka.ReaderConfig{Topic: topic, Partition: 0})
	for _, offset := range []int64{90, 0, 42, kafka.FirstOffset, 99} {
		must(r.SetOffset(offset))
		want := offset
		if offset == kafka.FirstOffset {
			want = 0
		}
		m := e.read(r, 1)[0]
		same(fmt.Sprint(want, " v", want), fmt.Sprint(m.Offset, " ", string(m.Value)), "record")
	}
}

func offsetsOfTimes(e *env) {
	topic := e.topic(1)
	var messages []kafka.Message
	for i := 0; i < 100; i++ {
		messages = append(messages, kafka.Message{Value: []byte(fmt.Sprint("v", i)), Time: time.UnixMilli(1_000_000 + int64(i)*10)})
	}
	must(e.writer(topic).WriteMessages(e.ctx, messages...))
	r := e.reader(kafka.ReaderConfig{Topic: topic, Partition: 0})
	must(r.SetOffsetAt(e.ctx, time.UnixMilli(1_000_495)))
	same(int64(50), e.read(r, 1)[0].Offset, "offset at a time")
	answer, err := e.client().ListOffsets(e.ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0), kafka.TimeOffsetOf(0, time.UnixMilli(1_000_001))}}})
	must(err)
	p := answer.Topics[topic][0]
	same([]int64{0, 100}, []int64{p.FirstOffset, p.LastOffset}, "first and last offset")
	check(!p.Offsets[1].IsZero(), "the offset at the time: %v", p.Offsets)
}

func connection(e *env) {
	topic := e.topic(1)
	e.fill(topic, 0, 50)
	conn, err := kafka.DialLeader(e.ctx, "tcp", e.bootstrap, topic, 0)
	must(err)
	defer conn.Close()
	first, last, err := conn.ReadOffsets()
	must(err)
	same([]int64{0, 50}, []int64{first, last}, "offsets")
	_, err = conn.Seek(30, kafka.SeekAbsolute)
	must(err)
	must(conn.SetDeadline(time.Now().Add(20 * time.Second)))
	batch := conn.ReadBatch(1, 1<<20)
	for i := 30; i < 50; i++ {
		m, err := batch.ReadMessage()
		must(err)
		same(fmt.Sprint("v", i), string(m.Value), "value")
	}
	must(batch.Close())
	_, err = conn.WriteMessages(kafka.Message{Value: []byte("more")})
	must(err)
	last, err = conn.ReadLastOffset()
	must(err)
	same(int64(51), last, "last offset")
	partitions, err := conn.ReadPartitions(topic)
	must(err)
	same(1, len(partitions), "partitions")
	_, err = conn.Seek(1000, kafka.SeekAbsolute)
	fails(kafka.OffsetOutOfRange, err)
}

func lag(e *env) {
	topic := e.topic(1)
	e.fill(topic, 0, 25)
	r := e.reader(kafka.ReaderConfig{Topic: topic, Partition: 0})
	must(r.SetOffset(5))
	have, err := r.ReadLag(e.ctx)
	must(err)
	same(int64(20), have, "lag")
}
