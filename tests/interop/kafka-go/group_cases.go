package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/segmentio/kafka-go"
)

// Members that come, go and crash; commits and where they lead.
func addGroupCases(s *suite) {
	s.add("group_members_come_and_go", comeAndGo)
	s.add("group_member_is_killed", isKilled)
	s.add("group_readers_share_records", readersShare)
	s.add("group_resumes_at_committed_offset", resumes)
	s.add("group_commits_in_the_background", background)
	s.add("group_of_several_topics", severalTopics)
}

// A member of a group and the partitions it owns in its present generation.
type groupMember struct {
	group *kafka.ConsumerGroup
	env   *env
	own   map[int]bool
}

func (e *env) join(group, topic string) *groupMember {
	g, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{ID: group, Brokers: []string{e.bootstrap}, Topics: []string{topic},
		SessionTimeout: 6 * time.Second, RebalanceTimeout: 10 * time.Second, HeartbeatInterval: 300 * time.Millisecond,
		JoinGroupBackoff: 50 * time.Millisecond})
	must(err)
	m := &groupMember{group: g, env: e, own: map[int]bool{}}
	e.keep(g.Close)
	go m.follow(topic)
	return m
}

func (m *groupMember) follow(topic string) {
	for {
		generation, err := m.group.Next(m.env.ctx)
		if err == kafka.ErrGroupClosed || m.env.ctx.Err() != nil {
			return
		}
		if err != nil {
			continue // it tries to join again
		}
		own := map[int]bool{}
		for _, p := range generation.Assignments[topic] {
			own[p.ID] = true
		}
		m.env.lock.Lock()
		m.own = own
		m.env.lock.Unlock()
	}
}

// Until each partition has one owner, and the members own alike.
func (e *env) shared(members []*groupMember, partitions int) {
	e.await(fmt.Sprintf("%d partitions shared by %d", partitions, len(members)), func() bool {
		e.lock.Lock()
		defer e.lock.Unlock()
		all, sum := map[int]bool{}, 0
		for _, m := range members {
			if len(m.own) < partitions/len(members) {
				return false
			}
			sum += len(m.own)
			for p := range m.own {
				all[p] = true
			}
		}
		return sum == partitions && len(all) == partitions
	})
}

func comeAndGo(e *env) {
	topic, group := e.topic(6), e.unique()
	var members []*groupMember
	for i := 0; i < 3; i++ {
		members = append(members, e.join(group, topic))
		e.shared(members, 6)
	}
	for len(members) > 1 {
		must(members[0].group.Close())
		members = members[1:]
		e.shared(members, 6)
	}
}

func isKilled(e *env) {
	topic, group := e.topic(4), e.unique()
	stays := e.join(group, topic)
	victim := exec.Command(os.Args[0], "--member", e.bootstrap, group, topic)
	must(victim.Start())
	e.await("two partitions are given away", func() bool {
		e.lock.Lock()
		defer e.lock.Unlock()
		return len(stays.own) == 2
	})
	must(victim.Process.Kill())
	_ = victim.Wait() // it was killed
	e.shared([]*groupMember{stays}, 4)
}

func readersShare(e *env) {
	topic, group := e.topic(4), e.unique()
	for p := 0; p < 4; p++ {
		e.fill(topic, p, 50)
	}
	got := make(chan kafka.Message)
	for i := 0; i < 2; i++ {
		r := e.reader(kafka.ReaderConfig{GroupID: group, Topic: topic})
		go func() {
			for {
				m, err := r.ReadMessage(e.ctx)
				if err != nil {
					return
				}
				got <- m
			}
		}()
	}
	seen := map[string]bool{}
	for len(seen) < 200 {
		select {
		case m := <-got:
			seen[fmt.Sprint(m.Partition, "/", m.Offset)] = true
		case <-e.ctx.Done():
			fail("only %d of 200 records", len(seen))
		}
	}
}

func (e *env) committed(group, topic string) int64 {
	answer, err := e.client().OffsetFetch(e.ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{topic: {0}}})
	must(err)
	return answer.Topics[topic][0].CommittedOffset
}

func resumes(e *env) {
	topic, group := e.topic(1), e.unique()
	e.fill(topic, 0, 100)
	first := e.reader(kafka.ReaderConfig{GroupID: group, Topic: topic})
	read := e.read(first, 50)
	must(first.CommitMessages(e.ctx, read[:30]...))
	same(int64(30), e.committed(group, topic), "committed offset")
	must(first.Close())
	second := e.reader(kafka.ReaderConfig{GroupID: group, Topic: topic})
	same(int64(30), e.read(second, 70)[0].Offset, "first offset")
}

func background(e *env) {
	topic, group := e.topic(1), e.unique()
	e.fill(topic, 0, 20)
	r := e.reader(kafka.ReaderConfig{GroupID: group, Topic: topic, CommitInterval: 50 * time.Millisecond})
	for i := 0; i < 20; i++ {
		_, err := r.ReadMessage(e.ctx)
		must(err)
	}
	e.await("the commit", func() bool { return e.committed(group, topic) == 20 })
}

func severalTopics(e *env) {
	topics := []string{e.topic(2), e.topic(1)}
	e.fill(topics[0], 1, 10)
	e.fill(topics[1], 0, 10)
	counts := map[string]int{}
	for _, m := range e.read(e.reader(kafka.ReaderConfig{GroupID: e.unique(), GroupTopics: topics}), 20) {
		counts[m.Topic]++
	}
	same(map[string]int{topics[0]: 10, topics[1]: 10}, counts, "records by topic")
}
