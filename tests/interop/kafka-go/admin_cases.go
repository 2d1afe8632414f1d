package main

import (
	"github.com/segmentio/kafka-go"
)

// Admin calls of kafka-go.
func addAdminCases(s *suite) {
	s.add("admin_topics", adminTopics)
	s.add("admin_topic_refusals", adminRefusals)
	s.add("admin_configs", adminConfigs)
	s.add("admin_groups", adminGroups)
	s.add("admin_group_offsets", adminGroupOffsets)
	s.add("admin_cluster", adminCluster)
	s.add("admin_producer_id", adminProducerID)
}

func (e *env) create(config kafka.TopicConfig) error {
	answer, err := e.client().CreateTopics(e.ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}})
	must(err)
	return answer.Errors[config.Topic]
}

func adminTopics(e *env) {
	topic := e.topic(3)
	fails(kafka.TopicAlreadyExists, e.create(kafka.TopicConfig{Topic: topic, NumPartitions: 1, ReplicationFactor: 1}))
	metadata, err := e.client().Metadata(e.ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	must(err)
	same(3, len(metadata.Topics[0].Partitions), "partitions")
	grown, err := e.client().CreatePartitions(e.ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 5}}})
	must(err)
	must(grown.Errors[topic])
	e.ready(topic, 5)
	shrunk, err := e.client().CreatePartitions(e.ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 2}}})
	must(err)
	fails(kafka.InvalidPartitionNumber, shrunk.Errors[topic])
	deleted, err := e.client().DeleteTopics(e.ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	must(err)
	must(deleted.Errors[topic])
	again, err := e.client().DeleteTopics(e.ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	must(err)
	fails(kafka.UnknownTopicOrPartition, again.Errors[topic])
}

func adminRefusals(e *env) {
	fails(kafka.InvalidTopic, e.create(kafka.TopicConfig{Topic: "no spaces", NumPartitions: 1, ReplicationFactor: 1}))
	fails(kafka.InvalidPartitionNumber, e.create(kafka.TopicConfig{Topic: e.unique(), NumPartitions: 0, ReplicationFactor: 1}))
	fails(kafka.InvalidReplicationFactor, e.create(kafka.TopicConfig{Topic: e.unique(), NumPartitions: 1, ReplicationFactor: 9}))
	fails(kafka.InvalidConfiguration, e.create(kafka.TopicConfig{Topic: e.unique(), NumPartitions: 1, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "no.such", ConfigValue: "1"}}}))
}

func (e *env) config(topic, name string) string {
	answer, err := e.client().DescribeConfigs(e.ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{name}}}})
	must(err)
	must(answer.Resources[0].Error)
	return answer.Resources[0].ConfigEntries[0].ConfigValue
}

func adminConfigs(e *env) {
	topic := e.topic(1, kafka.ConfigEntry{ConfigName: "segment.ms", ConfigValue: "777777"})
	same("777777", e.config(topic, "segment.ms"), "segment.ms")
	_, err := e.client().IncrementalAlterConfigs(e.ctx, &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, Configs: []kafka.IncrementalAlterConfigsRequestConfig{
			{Name: "retention.ms", Value: "1234567", ConfigOperation: kafka.ConfigOperationSet}}}}})
	must(err)
	e.await("retention.ms", func() bool { return e.config(topic, "retention.ms") == "1234567" })
	same("777777", e.config(topic, "segment.ms"), "what is not named stays")
	_, err = e.client().AlterConfigs(e.ctx, &kafka.AlterConfigsRequest{Resources: []kafka.AlterConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, Configs: []kafka.AlterConfigRequestConfig{{Name: "retention.ms", Value: "7654321"}}}}})
	must(err)
	e.await("retention.ms", func() bool { return e.config(topic, "retention.ms") == "7654321" })
	same("604800000", e.config(topic, "segment.ms"), "what is not named is reset")
}

func adminGroups(e *env) {
	topic, group := e.topic(1), e.unique()
	member := e.join(group, topic)
	e.shared([]*groupMember{member}, 1)
	described, err := e.client().DescribeGroups(e.ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	must(err)
	same("Stable", described.Groups[0].GroupState, "state")
	same(1, len(described.Groups[0].Members), "members")
	same([]int{0}, described.Groups[0].Members[0].MemberAssignments.Topics[0].Partitions, "assignment")
	listed, err := e.client().ListGroups(e.ctx, &kafka.ListGroupsRequest{})
	must(err)
	found := false
	for _, g := range listed.Groups {
		found = found || g.GroupID == group
	}
	check(found, "the group is listed")
	remove := func() error {
		answer, err := e.client().DeleteGroups(e.ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})
		must(err)
		return answer.Errors[group]
	}
	fails(kafka.NonEmptyGroup, remove())
	must(member.group.Close())
	e.await("it is deleted", func() bool { return remove() == nil })
	fails(kafka.GroupIdNotFound, remove())
}

func adminGroupOffsets(e *env) {
	topic, group := e.topic(1), e.unique()
	committed, err := e.client().OffsetCommit(e.ctx, &kafka.OffsetCommitRequest{GroupID: group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{topic: {{Partition: 0, Offset: 9, Metadata: "nine"}}}})
	must(err)
	must(committed.Topics[topic][0].Error)
	same(int64(9), e.committed(group, topic), "committed offset")
	deleted, err := e.client().OffsetDelete(e.ctx, &kafka.OffsetDeleteRequest{GroupID: group, Topics: map[string][]int{topic: {0}}})
	must(err)
	must(deleted.Error)
	same(int64(-1), e.committed(group, topic), "offset after it was deleted")
}

func adminCluster(e *env) {
	metadata, err := e.client().Metadata(e.ctx, &kafka.MetadataRequest{})
	must(err)
	same(1, len(metadata.Brokers), "brokers")
	same(metadata.Brokers[0].ID, metadata.Controller.ID, "controller")
	same(22, len(metadata.ClusterID), "length of the cluster id")
	versions, err := e.client().ApiVersions(e.ctx, &kafka.ApiVersionsRequest{})
	must(err)
	must(versions.Error)
	check(len(versions.ApiKeys) > 30, "only %d kinds of request", len(versions.ApiKeys))
}

func adminProducerID(e *env) {
	seen := map[int]bool{}
	for i := 0; i < 3; i++ {
		answer, err := e.client().InitProducerID(e.ctx, &kafka.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1})
		must(err)
		must(answer.Error)
		same(0, answer.Producer.ProducerEpoch, "epoch")
		seen[answer.Producer.ProducerID] = true
	}
	same(3, len(seen), "different ids")
}
