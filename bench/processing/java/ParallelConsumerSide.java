package millrace.bench;

import com.sun.management.OperatingSystemMXBean;
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetCommitCallback;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Reads a topic by Confluent's Parallel Consumer in key order, once per pass, and prints the outcome of each as a line of
 * JSON. Arguments: brokers, topic, records of the topic, keys, milliseconds of the handler, concurrency, and per pass its
 * group and its records.
 */
public final class ParallelConsumerSide {
  private static final int POLL_RECORDS = 5000;

  public static void main(String[] args) throws Exception {
    for (int at = 6; at + 1 < args.length; at += 2) {
      System.out.println(new Pass(args, args[at], Integer.parseInt(args[at + 1])).run());
    }
    System.exit(0);
  }

  private static final class Pass {
    private final String brokers;
    private final String topic;
    private final int topicRecords;
    private final long handlerMs;
    private final int concurrency;
    private final String group;
    private final int records;
    private final AtomicIntegerArray running;
    private final AtomicIntegerArray newest;
    private final Map<Integer, AtomicIntegerArray> seen = new ConcurrentHashMap<>();
    private final AtomicInteger distinct = new AtomicInteger();
    private final AtomicInteger ended = new AtomicInteger();
    private final AtomicInteger violations = new AtomicInteger();
    private final AtomicInteger repeats = new AtomicInteger();
    private final AtomicInteger commits = new AtomicInteger();
    private final AtomicLong beganNanos = new AtomicLong();
    private final AtomicLong beganCpuNanos = new AtomicLong();
    private final CountDownLatch over = new CountDownLatch(1);
    private volatile long wallNanos;
    private volatile long cpuNanos;

    Pass(String[] args, String group, int records) {
      this.brokers = args[0];
      this.topic = args[1];
      this.topicRecords = Integer.parseInt(args[2]);
      int keys = Integer.parseInt(args[3]);
      this.handlerMs = Long.parseLong(args[4]);
      this.concurrency = Integer.parseInt(args[5]);
      this.group = group;
      this.records = records;
      this.running = new AtomicIntegerArray(keys);
      this.newest = new AtomicIntegerArray(keys);
    }

    String run() throws Exception {
      ParallelConsumerOptions<String, byte[]> options =
          ParallelConsumerOptions.<String, byte[]>builder()
              .ordering(ProcessingOrder.KEY)
              .maxConcurrency(concurrency)
              .commitMode(CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS)
              .consumer(new CountingConsumer(consumerSettings(), commits))
              .build();
      ParallelStreamProcessor<String, byte[]> processor = ParallelStreamProcessor.createEosStreamProcessor(options);
      processor.subscribe(List.of(topic));
      processor.poll(context -> {
        var one = context.getSingleConsumerRecord();
        handle(Integer.parseInt(one.key().substring("user-".length())), one.partition(), (int) one.offset());
      });
      over.await();
      processor.closeDrainFirst();
      return String.format(
          "{\"wallMs\": %.3f, \"cpuMs\": %.3f, \"violations\": %d, \"repeats\": %d, \"commits\": %d}",
          wallNanos / 1e6, cpuNanos / 1e6, violations.get(), repeats.get(), commits.get());
    }

    private void handle(int key, int partition, int offset) {
      begin(key, partition, offset);
      try {
        Thread.sleep(handlerMs);
      } catch (InterruptedException interrupted) {
        Thread.currentThread().interrupt();
      }
      running.set(key, 0);
      if (ended.incrementAndGet() >= records && distinct.get() >= records) end();
    }

    private void begin(int key, int partition, int offset) {
      if (beganNanos.get() == 0 && beganNanos.compareAndSet(0, System.nanoTime())) beganCpuNanos.set(cpuNow());
      if (running.getAndSet(key, 1) == 1) violations.incrementAndGet();
      AtomicIntegerArray ofPartition = seen.computeIfAbsent(partition, any -> new AtomicIntegerArray(topicRecords));
      if (ofPartition.getAndSet(offset, 1) == 1) {
        repeats.incrementAndGet();
        return;
      }
      distinct.incrementAndGet();
      // Offsets from 1 here: 0 says that none was seen.
      if (newest.getAndSet(key, offset + 1) > offset + 1) violations.incrementAndGet();
    }

    private synchronized void end() {
      if (over.getCount() == 0) return;
      wallNanos = System.nanoTime() - beganNanos.get();
      cpuNanos = cpuNow() - beganCpuNanos.get();
      over.countDown();
    }

    private static long cpuNow() {
      return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    private Properties consumerSettings() {
      Properties settings = new Properties();
      settings.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
      settings.put(ConsumerConfig.GROUP_ID_CONFIG, group);
      settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
      settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
      settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, POLL_RECORDS);
      return settings;
    }
  }

  /** Counts the requests that commit. */
  private static final class CountingConsumer extends KafkaConsumer<String, byte[]> {
    private final AtomicInteger commits;

    CountingConsumer(Properties settings, AtomicInteger commits) {
      super(settings, new StringDeserializer(), new ByteArrayDeserializer());
      this.commits = commits;
    }

    @Override
    public void commitAsync(Map<TopicPartition, OffsetAndMetadata> offsets, OffsetCommitCallback callback) {
      commits.incrementAndGet();
      super.commitAsync(offsets, callback);
    }

    @Override
    public void commitSync(Map<TopicPartition, OffsetAndMetadata> offsets) {
      commits.incrementAndGet();
      super.commitSync(offsets);
    }
  }
}
