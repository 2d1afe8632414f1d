import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** Producers against a broker that takes no records for a while; see ../full. */
final class FullCases {
    private static final String MARK = "ottla.disk.min.free.bytes";
    private static final int ACKS = 2000;
    private static final int IN_FLIGHT_MAX = 300;
    private static final long STALL_MS = 1500;

    /** Sends v0, v1, … until it is stopped. */
    private static final class Stream extends Thread {
        final String topic;
        final AtomicInteger acknowledged = new AtomicInteger();
        final List<Future<RecordMetadata>> sent = new ArrayList<>();
        private final Producer<String, String> producer;
        private volatile boolean stopping;

        Stream(Env env, Object... settings) throws Exception {
            topic = env.topic(1);
            producer = env.producer(settings);
            setDaemon(true);
            start();
        }

        @Override
        public void run() {
            while (!stopping) {
                if (sent.size() - acknowledged.get() > IN_FLIGHT_MAX) {
                    Thread.yield();
                    continue;
                }
                sent.add(producer.send(new ProducerRecord<>(topic, 0, null, "v" + sent.size()), (metadata, error) -> {
                    if (error == null)
                        acknowledged.incrementAndGet();
                }));
            }
        }
    }

    private static void setMark(Env env, String value) throws Exception {
        var op = value == null ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET;
        env.admin().incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.BROKER, ""),
            List.of(new AlterConfigOp(new ConfigEntry(MARK, value), op)))).all().get();
    }

    private static void awaitAcks(Stream stream) throws Exception {
        int goal = stream.acknowledged.get() + ACKS;
        Suite.await(ACKS + " acknowledgements", () -> stream.acknowledged.get() >= goal);
    }

    private static void run(Env env, boolean isIdempotent) throws Exception {
        Stream stream = new Stream(env, "enable.idempotence", isIdempotent, "acks", isIdempotent ? "all" : "1");
        try {
            awaitAcks(stream);
            setMark(env, Long.toString(Long.MAX_VALUE));
            Suite.await("appends that are refused", () -> {
                int before = stream.acknowledged.get();
                Thread.sleep(STALL_MS);
                return stream.acknowledged.get() == before;
            });
        } finally {
            setMark(env, null);
        }
        awaitAcks(stream);
        stream.stopping = true;
        stream.join();
        List<RecordMetadata> acks = Env.all(stream.sent);
        check(env, stream.topic, acks, isIdempotent);
    }

    private static void check(Env env, String topic, List<RecordMetadata> acks, boolean isOnce) throws Exception {
        var consumer = env.consumer();
        TopicPartition partition = new TopicPartition(topic, 0);
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        int end = (int) (long) consumer.endOffsets(List.of(partition)).get(partition);
        List<ConsumerRecord<String, String>> read = Env.read(consumer, end);
        for (int i = 0; i < acks.size(); i++)
            Suite.same("v" + i, read.get((int) acks.get(i).offset()).value(), "value at its offset");
        if (isOnce)
            Suite.same(acks.size(), end, "records");
    }

    public static void main(String[] args) throws InterruptedException {
        int failed = 0;
        for (boolean isIdempotent : new boolean[] { true, false }) { // the mark is the broker's: one after the other
            Suite suite = new Suite();
            suite.add("java_" + (isIdempotent ? "idempotent" : "plain") + "_waits_for_space", env -> run(env, isIdempotent));
            failed += suite.run(args[0], "");
        }
        System.exit(failed == 0 ? 0 : 1);
    }
}
