import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Settings of topics, brokers and groups: read, changed, appended to, taken back. */
final class ConfigCases {
    static void add(Suite suite) {
        suite.add("configs_of_topic", ConfigCases::ofTopic);
        suite.add("configs_of_topic_at_creation", ConfigCases::atCreation);
        suite.add("configs_alter_topic", ConfigCases::alterTopic);
        suite.add("configs_append_and_subtract", ConfigCases::lists);
        suite.add("configs_refusals", ConfigCases::refusals);
        suite.add("configs_of_broker", ConfigCases::ofBroker);
        suite.add("configs_alter_broker", ConfigCases::alterBroker);
        suite.add("configs_of_group", ConfigCases::ofGroup);
        suite.add("configs_list_resources", ConfigCases::listResources);
        suite.add("configs_synonyms_and_documentation", ConfigCases::synonyms);
    }

    private static ConfigResource topic(String name) {
        return new ConfigResource(ConfigResource.Type.TOPIC, name);
    }

    private static Config describe(Env env, ConfigResource resource) throws Exception {
        return env.admin().describeConfigs(List.of(resource)).all().get().get(resource);
    }

    private static AlterConfigOp op(String name, String value, AlterConfigOp.OpType type) {
        return new AlterConfigOp(new ConfigEntry(name, value), type);
    }

    private static AlterConfigOp set(String name, String value) {
        return op(name, value, AlterConfigOp.OpType.SET);
    }

    private static void alter(Env env, ConfigResource resource, AlterConfigOp... ops) throws Exception {
        Map<ConfigResource, Collection<AlterConfigOp>> all = Map.of(resource, List.of(ops));
        env.admin().incrementalAlterConfigs(all).all().get();
    }

    private static void awaitValue(Env env, ConfigResource resource, String name, String value) throws Exception {
        Suite.await(name + " is " + value, () -> value.equals(describe(env, resource).get(name).value()));
    }

    private static void ofTopic(Env env) throws Exception {
        Config config = describe(env, topic(env.topic(1)));
        ConfigEntry retention = config.get("retention.ms");
        Suite.same("604800000", retention.value(), "retention.ms");
        Suite.same(ConfigEntry.ConfigSource.DEFAULT_CONFIG, retention.source(), "source");
        Suite.same(ConfigEntry.ConfigType.LONG, retention.type(), "type");
        Suite.check(retention.isDefault() && !retention.isReadOnly() && !retention.isSensitive(), "flags");
        Suite.same("1048588", config.get("max.message.bytes").value(), "max.message.bytes");
        Suite.same(ConfigEntry.ConfigType.LIST, config.get("cleanup.policy").type(), "type of cleanup.policy");
        Suite.check(config.entries().size() > 25, "only " + config.entries().size() + " settings");
    }

    private static void atCreation(Env env) throws Exception {
        String name = env.topic(1, Map.of("segment.bytes", "2000000", "cleanup.policy", "compact,delete"));
        Config config = describe(env, topic(name));
        Suite.same("2000000", config.get("segment.bytes").value(), "segment.bytes");
        Suite.same(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, config.get("segment.bytes").source(), "source");
        Suite.same("compact,delete", config.get("cleanup.policy").value(), "cleanup.policy");
    }

    private static void alterTopic(Env env) throws Exception {
        ConfigResource topic = topic(env.topic(1));
        alter(env, topic, set("retention.ms", "1234567"), set("max.message.bytes", "2000"));
        awaitValue(env, topic, "retention.ms", "1234567");
        awaitValue(env, topic, "max.message.bytes", "2000");
        alter(env, topic, op("retention.ms", null, AlterConfigOp.OpType.DELETE), set("segment.ms", "777777"));
        awaitValue(env, topic, "retention.ms", "604800000");
        awaitValue(env, topic, "segment.ms", "777777");
        Suite.same("2000", describe(env, topic).get("max.message.bytes").value(), "what was not named stays");
        Map<ConfigResource, Collection<AlterConfigOp>> change = Map.of(topic, List.of(set("segment.ms", "888888")));
        env.admin().incrementalAlterConfigs(change, new AlterConfigsOptions().validateOnly(true)).all().get();
        Suite.same("777777", describe(env, topic).get("segment.ms").value(), "after validation only");
    }

    private static void lists(Env env) throws Exception {
        ConfigResource topic = topic(env.topic(1));
        alter(env, topic, op("cleanup.policy", "compact", AlterConfigOp.OpType.APPEND));
        awaitValue(env, topic, "cleanup.policy", "delete,compact");
        alter(env, topic, op("cleanup.policy", "delete", AlterConfigOp.OpType.SUBTRACT));
        awaitValue(env, topic, "cleanup.policy", "compact");
        Suite.fails(InvalidConfigurationException.class,
            e -> alter(env, topic, op("retention.ms", "1", AlterConfigOp.OpType.APPEND)));
    }

    private static void refusals(Env env) throws Exception {
        ConfigResource topic = topic(env.topic(1));
        Suite.fails(InvalidConfigurationException.class, e -> alter(env, topic, set("no.such.setting", "1")));
        Suite.fails(InvalidConfigurationException.class, e -> alter(env, topic, set("retention.ms", "long")));
        Suite.fails(InvalidConfigurationException.class, e -> alter(env, topic, set("segment.bytes", "-1")));
        Suite.fails(InvalidConfigurationException.class, e -> alter(env, topic, set("compression.type", "rar")));
        Suite.fails(InvalidRequestException.class,
            e -> alter(env, topic, set("retention.ms", "1"), set("retention.ms", "2")));
        Suite.fails(UnknownTopicOrPartitionException.class,
            e -> alter(env, topic(env.unique()), set("retention.ms", "1")));
        Suite.fails(UnknownTopicOrPartitionException.class, e -> describe(env, topic(env.unique())));
        Suite.same("604800000", describe(env, topic).get("retention.ms").value(), "nothing was changed");
    }

    private static ConfigResource broker(Env env) throws Exception {
        int id = env.admin().describeCluster().nodes().get().iterator().next().id();
        return new ConfigResource(ConfigResource.Type.BROKER, Integer.toString(id));
    }

    private static void ofBroker(Env env) throws Exception {
        Config config = describe(env, broker(env));
        Suite.same("1048588", config.get("message.max.bytes").value(), "message.max.bytes");
        Suite.check(!config.get("message.max.bytes").isReadOnly(), "message.max.bytes is dynamic");
        Suite.check(config.get("log.dirs").isReadOnly(), "log.dirs is read-only");
        Suite.check(config.get("ssl.keystore.password").isSensitive(), "passwords are sensitive");
        Suite.same(null, config.get("ssl.keystore.password").value(), "value of a sensitive setting");
        Suite.check(config.entries().size() > 200, "only " + config.entries().size() + " settings");
    }

    private static void alterBroker(Env env) throws Exception {
        ConfigResource broker = broker(env);
        ConfigResource all = new ConfigResource(ConfigResource.Type.BROKER, "");
        alter(env, all, set("log.cleaner.threads", "2"));
        awaitValue(env, broker, "log.cleaner.threads", "2");
        Suite.same(ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG,
            describe(env, broker).get("log.cleaner.threads").source(), "source");
        alter(env, broker, set("log.cleaner.io.buffer.load.factor", "0.8"));
        awaitValue(env, broker, "log.cleaner.io.buffer.load.factor", "0.8");
        Suite.same(ConfigEntry.ConfigSource.DYNAMIC_BROKER_CONFIG,
            describe(env, broker).get("log.cleaner.io.buffer.load.factor").source(), "source");
        alter(env, all, op("log.cleaner.threads", null, AlterConfigOp.OpType.DELETE));
        alter(env, broker, op("log.cleaner.io.buffer.load.factor", null, AlterConfigOp.OpType.DELETE));
        awaitValue(env, broker, "log.cleaner.threads", "1");
        awaitValue(env, broker, "log.cleaner.io.buffer.load.factor", "0.9");
        Suite.fails(InvalidRequestException.class, e -> alter(env, broker, set("node.id", "5")));
        Suite.fails(InvalidRequestException.class, e -> alter(env, broker, set("num.io.threads", "many")));
    }

    private static void ofGroup(Env env) throws Exception {
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, env.unique());
        alter(env, group, set("consumer.session.timeout.ms", "50000"));
        awaitValue(env, group, "consumer.session.timeout.ms", "50000");
        Suite.same(ConfigEntry.ConfigSource.DYNAMIC_GROUP_CONFIG,
            describe(env, group).get("consumer.session.timeout.ms").source(), "source");
        alter(env, group, op("consumer.session.timeout.ms", null, AlterConfigOp.OpType.DELETE));
        awaitValue(env, group, "consumer.session.timeout.ms", "45000");
        Suite.fails(InvalidConfigurationException.class, e -> alter(env, group, set("retention.ms", "1")));
    }

    private static void listResources(Env env) throws Exception {
        ConfigResource topic = topic(env.topic(1, Map.of("retention.ms", "5000000")));
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, env.unique());
        alter(env, group, set("consumer.session.timeout.ms", "50000"));
        Suite.await("both are listed", () -> env.admin().listConfigResources().all().get()
            .containsAll(List.of(topic, group, broker(env))));
        var groups = env.admin().listConfigResources(Set.of(ConfigResource.Type.GROUP),
            new org.apache.kafka.clients.admin.ListConfigResourcesOptions()).all().get();
        Suite.check(groups.contains(group) && !groups.contains(topic), "only groups");
    }

    private static void synonyms(Env env) throws Exception {
        ConfigResource topic = topic(env.topic(1, Map.of("segment.bytes", "5000000")));
        var options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        ConfigEntry entry = env.admin().describeConfigs(List.of(topic), options).all().get().get(topic)
            .get("segment.bytes");
        Suite.check(entry.documentation() != null && entry.documentation().length() > 20, "documentation");
        var names = entry.synonyms().stream().map(s -> s.name() + "=" + s.value() + " " + s.source()).toList();
        Suite.same("segment.bytes=5000000 DYNAMIC_TOPIC_CONFIG", names.get(0), "first synonym");
        Suite.same("log.segment.bytes=1073741824 DEFAULT_CONFIG", names.get(names.size() - 1), "last synonym");
    }
}
