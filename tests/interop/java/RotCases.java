import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/** A consumer that comes to a batch with a flipped bit; see ../rot. */
final class RotCases {
    private static final long END = 30; // of each of both partitions

    /** Offsets by partition, and what was thrown, with the offset that it came at. */
    private static final class Reader {
        final KafkaConsumer<String, String> consumer;
        final List<List<Long>> offsets = List.of(new ArrayList<>(), new ArrayList<>());
        final List<KafkaException> errors = new ArrayList<>();

        Reader(Env env, TopicPartition... partitions) {
            consumer = env.consumer();
            consumer.assign(List.of(partitions));
            consumer.seekToBeginning(List.of(partitions));
        }

        void poll() {
            try {
                for (var record : consumer.poll(Duration.ofMillis(100))) {
                    Suite.same("v" + record.offset(), record.value(), "value");
                    offsets.get(record.partition()).add(record.offset());
                }
            } catch (KafkaException e) {
                errors.add(e);
            }
        }
    }

    private static List<Long> range(long first, long end) {
        return LongStream.range(first, end).boxed().toList();
    }

    private static void run(Env env, String topic, long first, long last) throws Exception {
        TopicPartition damaged = new TopicPartition(topic, 0);
        Reader reader = new Reader(env, damaged, new TopicPartition(topic, 1));
        Suite.await("an error again and again, and the other partition", () -> {
            reader.poll();
            return reader.errors.size() >= 3 && reader.offsets.get(1).size() == END;
        });
        Suite.same(range(0, END), reader.offsets.get(1), "offsets of the other partition");
        Suite.same(range(0, first), reader.offsets.get(0), "offsets before the damage");
        Suite.same(first, reader.consumer.position(damaged), "position");
        for (KafkaException e : reader.errors)
            Suite.check(e.getMessage().contains(damaged.toString()), e.getMessage());
        reader.offsets.get(0).clear();
        reader.consumer.seek(damaged, last + 1);
        Suite.await("what lies behind", () -> {
            reader.poll();
            return reader.offsets.get(0).contains(END - 1);
        });
        Suite.same(range(last + 1, END), reader.offsets.get(0), "offsets behind the damage");
        System.out.println("java: " + reader.errors.get(0).getMessage());
    }

    public static void main(String[] args) throws InterruptedException {
        Suite suite = new Suite();
        suite.add("java_is_told_of_a_damaged_batch",
            env -> run(env, args[1], Long.parseLong(args[2]), Long.parseLong(args[3])));
        System.exit(suite.run(args[0], "") == 0 ? 0 : 1);
    }
}
