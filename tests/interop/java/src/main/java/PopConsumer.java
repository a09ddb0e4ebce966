import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Sends messages and consumes them by popping: the broker deals the queues out, and was told that the group
 * pops. Every tenth message fails once. Prints "received KEY RECONSUME_TIMES" for each that succeeds.
 *
 * Arguments: name server, topic, group, count, seconds to wait.
 */
public final class PopConsumer {
    private static final int FAILS_EACH = 10;

    private PopConsumer() {
    }

    public static void main(String[] arguments) throws Exception {
        String nameServer = arguments[0];
        String topic = arguments[1];
        String group = arguments[2];
        int count = Integer.parseInt(arguments[3]);
        Map<String, Integer> received = new ConcurrentHashMap<>();
        CountDownLatch left = new CountDownLatch(count);

        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(nameServer);
        // by name: this is compiled against clients of 4.9 too, which have no such method
        DefaultMQPushConsumer.class.getMethod("setClientRebalance", boolean.class).invoke(consumer, false);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) {
                int number = Integer.parseInt(message.getKeys().substring("key-".length()));
                if (number % FAILS_EACH == 0 && message.getReconsumeTimes() == 0) {
                    return ConsumeConcurrentlyStatus.RECONSUME_LATER;
                }
                if (received.put(message.getKeys(), message.getReconsumeTimes()) == null) {
                    left.countDown();
                } else {
                    System.out.println("twice " + message.getKeys());
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();

        DefaultMQProducer producer = new DefaultMQProducer("pop_interop_producer");
        producer.setNamesrvAddr(nameServer);
        producer.start();
        for (int i = 0; i < count; i++) {
            producer.send(new Message(topic, "", "key-" + i, ("body-" + i).getBytes()));
        }
        producer.shutdown();

        boolean isWhole = left.await(Integer.parseInt(arguments[4]), TimeUnit.SECONDS);
        consumer.shutdown();
        received.forEach((key, times) -> System.out.println("received " + key + " " + times));
        System.exit(isWhole ? 0 : 1);
    }
}
