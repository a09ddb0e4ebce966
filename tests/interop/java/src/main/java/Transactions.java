import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Transactions, some of which end only when the broker asks.
 *
 * <p>java Transactions NAMESRV COUNT: of COUNT transactions, by their number modulo 4, 0 commits at once, 1 rolls back at
 * once, 2 commits when it is checked, 3 rolls back when it is checked. A consumer collects what comes. Prints
 * `delivered [N, ...]`, `twice N` and `checked N`.
 */
final class Transactions {
    private static final int DEADLINE_MS = 60_000;
    private static final int QUIET_MS = 4_000;

    private final String nameServer;
    private final int count;
    private final Map<Integer, Integer> delivered = new ConcurrentHashMap<>();
    private final Set<Integer> checked = ConcurrentHashMap.newKeySet();

    private Transactions(String[] args) {
        nameServer = args[0];
        count = Integer.parseInt(args[1]);
    }

    public static void main(String[] args) throws Exception {
        new Transactions(args).run();
        System.exit(0);
    }

    private static int numberOf(Message message) {
        return Integer.parseInt(new String(message.getBody(), StandardCharsets.UTF_8));
    }

    private DefaultMQPushConsumer consumer(String group, String topic, MessageListenerConcurrently listener)
            throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(nameServer);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(listener);
        consumer.start();
        return consumer;
    }

    // ---- transactions

    private final class Decisions implements TransactionListener {
        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
            switch (numberOf(message) % 4) {
                case 0:
                    return LocalTransactionState.COMMIT_MESSAGE;
                case 1:
                    return LocalTransactionState.ROLLBACK_MESSAGE;
                default:
                    return LocalTransactionState.UNKNOW;
            }
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            int number = numberOf(message);
            checked.add(number);
            return number % 4 == 2 ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
        }
    }

    private void run() throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer("transaction-producers");
        producer.setNamesrvAddr(nameServer);
        producer.setTransactionListener(new Decisions());
        producer.start();
        for (int i = 0; i < count; i++)
            producer.sendMessageInTransaction(new Message("transactions", "t", "key-" + i,
                Integer.toString(i).getBytes(StandardCharsets.UTF_8)), null);
        DefaultMQPushConsumer consumer = consumer("transaction-readers", "transactions", (messages, context) -> {
            messages.forEach(m -> delivered.merge(numberOf(m), 1, Integer::sum));
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        long due = System.currentTimeMillis() + DEADLINE_MS;
        while ((checked.size() < count / 2 || delivered.size() < count / 2) && System.currentTimeMillis() < due)
            Thread.sleep(50);
        Thread.sleep(QUIET_MS); // what comes twice, or should not come, comes now
        System.out.println("delivered " + new TreeSet<>(delivered.keySet()));
        System.out.println("twice " + delivered.values().stream().filter(n -> n > 1).count());
        System.out.println("checked " + checked.size());
        consumer.shutdown();
        producer.shutdown();
    }
}
