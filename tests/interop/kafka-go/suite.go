package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	caseTimeout = 120 * time.Second
	casesAtOnce = 8 // nearly all of them wait nearly all of the time
)

// One for all: each learns of every topic there is, again and again.
var transport = &kafka.Transport{}

var runID = fmt.Sprintf("%x", time.Now().UnixNano())

type testCase struct {
	name string
	body func(*env)
}

// Runs named cases, several at once, each within a time limit, and prints one line for each.
type suite struct {
	bootstrap      string
	cases          []testCase
	lock           sync.Mutex
	passed, failed int
}

func (s *suite) add(name string, body func(*env)) {
	s.cases = append(s.cases, testCase{name, body})
}

func (s *suite) run(only string) int {
	var group sync.WaitGroup
	slots := make(chan bool, casesAtOnce)
	for _, c := range s.cases {
		if !strings.Contains(c.name, only) {
			continue
		}
		group.Add(1)
		slots <- true
		go func(c testCase) {
			defer group.Done()
			s.runOne(c)
			<-slots
		}(c)
	}
	group.Wait()
	fmt.Printf("%d passed, %d failed\n", s.passed, s.failed)
	return s.failed
}

// What a case panics with when it fails.
type failure struct{ why string }

func (s *suite) runOne(c testCase) {
	e := &env{bootstrap: s.bootstrap, name: c.name}
	e.ctx, e.cancel = context.WithTimeout(context.Background(), caseTimeout)
	defer e.cancel()
	done := make(chan string, 1)
	go func() {
		defer func() {
			switch r := recover().(type) {
			case nil:
				done <- ""
			case failure:
				done <- r.why
			default:
				done <- fmt.Sprint("panic: ", r)
			}
		}()
		defer e.close()
		c.body(e)
	}()
	why := ""
	select {
	case why = <-done:
	case <-time.After(caseTimeout + 5*time.Second):
		why = fmt.Sprintf("not done after %v", caseTimeout)
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if why == "" {
		s.passed++
		fmt.Println("ok " + c.name)
	} else {
		s.failed++
		fmt.Println("FAIL " + c.name + ": " + strings.ReplaceAll(why, "\n", " "))
	}
}

func fail(format string, args ...interface{}) {
	place := ""
	for depth := 1; depth < 10; depth++ {
		_, file, line, _ := runtime.Caller(depth)
		if strings.HasSuffix(file, "_cases.go") {
			place = fmt.Sprintf(" (%s:%d)", file[strings.LastIndex(file, "/")+1:], line)
			break
		}
	}
	panic(failure{fmt.Sprintf(format, args...) + place})
}

func check(holds bool, format string, args ...interface{}) {
	if !holds {
		fail(format, args...)
	}
}

func same(want, have interface{}, what string) {
	if !reflect.DeepEqual(want, have) {
		fail("%s: want %v, have %v", what, want, have)
	}
}

func must(err error) {
	if err != nil {
		fail("%v", err)
	}
}

// The error must be this one of the protocol, wherever it is wrapped.
func fails(want kafka.Error, err error) {
	var writeErrors kafka.WriteErrors
	if errors.As(err, &writeErrors) {
		for _, e := range writeErrors {
			if errors.Is(e, want) {
				return
			}
		}
	}
	check(errors.Is(err, want), "want %v, have %v", want, err)
}

// What one case works with: names of its own, and clients that are closed after it.
type env struct {
	bootstrap string
	name      string
	names     int
	ctx       context.Context
	cancel    context.CancelFunc
	lock      sync.Mutex
	open      []func() error
}

func (e *env) close() {
	for i := len(e.open) - 1; i >= 0; i-- {
		_ = e.open[i]() // a case that failed has said why; one that passed has nothing more to lose
	}
}

func (e *env) keep(close func() error) {
	e.open = append(e.open, close)
}

func (e *env) unique() string {
	e.names++
	return fmt.Sprintf("kafka-go.%s.%s.%d", runID, e.name, e.names)
}

func (e *env) await(what string, condition func() bool) {
	for !condition() {
		if e.ctx.Err() != nil {
			fail("still not: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (e *env) client() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(e.bootstrap), Timeout: 20 * time.Second, Transport: transport}
}

func (e *env) topic(partitions int, config ...kafka.ConfigEntry) string {
	topic := e.unique()
	answer, err := e.client().CreateTopics(e.ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: config}}})
	must(err)
	must(answer.Errors[topic])
	e.keep(func() error {
		_, err := e.client().DeleteTopics(context.Background(), &kafka.DeleteTopicsRequest{Topics: []string{topic}})
		return err
	})
	e.ready(topic, partitions)
	return topic
}

// Until each partition has a leader that answers.
func (e *env) ready(topic string, partitions int) {
	e.await("topic "+topic, func() bool {
		var asked []kafka.OffsetRequest
		for p := 0; p < partitions; p++ {
			asked = append(asked, kafka.LastOffsetOf(p))
		}
		answer, err := e.client().ListOffsets(e.ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: asked}})
		if err != nil || len(answer.Topics[topic]) != partitions {
			return false
		}
		for _, p := range answer.Topics[topic] {
			if p.Error != nil {
				return false
			}
		}
		return true
	})
}

func (e *env) writer(topic string) *kafka.Writer {
	w := &kafka.Writer{Addr: kafka.TCP(e.bootstrap), Topic: topic, BatchTimeout: 5 * time.Millisecond,
		WriteBackoffMin: 5 * time.Millisecond, WriteBackoffMax: 50 * time.Millisecond, RequiredAcks: kafka.RequireAll,
		Transport: transport}
	e.keep(w.Close)
	return w
}

// Writes v0, v1, … to one partition.
func (e *env) fill(topic string, partition, count int) {
	w := e.writer(topic)
	w.Balancer = kafka.BalancerFunc(func(kafka.Message, ...int) int { return partition })
	var messages []kafka.Message
	for i := 0; i < count; i++ {
		messages = append(messages, kafka.Message{Value: []byte(fmt.Sprint("v", i))})
	}
	must(w.WriteMessages(e.ctx, messages...))
}

func (e *env) reader(config kafka.ReaderConfig) *kafka.Reader {
	config.Brokers = []string{e.bootstrap}
	config.MaxWait = 200 * time.Millisecond
	config.ReadBackoffMin = 5 * time.Millisecond
	config.ReadBackoffMax = 50 * time.Millisecond
	if config.GroupID != "" {
		config.StartOffset = kafka.FirstOffset
		config.SessionTimeout = 6 * time.Second
		config.RebalanceTimeout = 10 * time.Second
		config.HeartbeatInterval = 500 * time.Millisecond
	}
	r := kafka.NewReader(config)
	e.keep(r.Close)
	return r
}

func (e *env) read(r *kafka.Reader, count int) []kafka.Message {
	var out []kafka.Message
	for len(out) < count {
		m, err := r.FetchMessage(e.ctx)
		if err != nil {
			fail("after %d of %d records: %v", len(out), count, err)
		}
		out = append(out, m)
	}
	return out
}

func (e *env) readAll(topic string, count int) []kafka.Message {
	return e.read(e.reader(kafka.ReaderConfig{Topic: topic, Partition: 0}), count)
}

func noise(size int) []byte {
	out := make([]byte, size)
	rand.New(rand.NewSource(int64(size))).Read(out)
	return out
}

func values(count int) []string {
	var out []string
	for i := 0; i < count; i++ {
		out = append(out, fmt.Sprint("v", i))
	}
	return out
}

func valuesOf(messages []kafka.Message) []string {
	var out []string
	for _, m := range messages {
		out = append(out, string(m.Value))
	}
	return out
}
