import java.util.List;
import java.util.SplittableRandom;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.consumer.ProcessQueue;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * A consumer group of three members, each a client with connections of its own. One of them stays, the other two are
 * replaced in turn by renew(). One thread but for the listeners, which run on the clients' threads.
 */
final class Group {
    private static final int MEMBERS = 3;
    private static final int SUSPENDED_MS = 200;
    private static final int REFUSED_EVERY = 500; // messages; the concurrent group refuses such a one once

    final Delivered delivered;
    int renewals;

    private final Job job;
    private final boolean inOrder;
    private final DefaultMQPushConsumer[] members = new DefaultMQPushConsumer[MEMBERS];
    private int started;

    Group(Job job, String name, boolean inOrder) {
        this.job = job;
        this.inOrder = inOrder;
        delivered = new Delivered(name, inOrder, job.ledger, job.directory);
    }

    void open() throws MQClientException {
        for (int i = 0; i < MEMBERS; i++)
            members[i] = newMember();
    }

    /**
     * A member leaves, and another joins a moment later. It is suspended first: a client that rebalances while it shuts
     * down may take a queue after it let go of all, and the broker keeps that lock for a minute.
     */
    void renew(SplittableRandom random) throws MQClientException, InterruptedException {
        int index = 1 + renewals++ % (MEMBERS - 1);
        members[index].suspend();
        Thread.sleep(SUSPENDED_MS);
        members[index].shutdown();
        Thread.sleep(random.nextInt(1000));
        while (true) {
            try {
                members[index] = newMember();
                return;
            } catch (MQClientException | IllegalStateException error) { // the broker died meanwhile
                if (job.late())
                    throw error;
                Thread.sleep(SUSPENDED_MS);
            }
        }
    }

    private DefaultMQPushConsumer newMember() throws MQClientException {
        DefaultMQPushConsumer member = new DefaultMQPushConsumer(delivered.group);
        member.setInstanceName(delivered.group + "-" + started++);
        member.setNamesrvAddr(job.nameServer);
        member.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        member.setPollNameServerInterval(Job.CLIENT_INTERVAL_MS);
        member.setHeartbeatBrokerInterval(Job.CLIENT_INTERVAL_MS);
        member.setPersistConsumerOffsetInterval(Job.CLIENT_INTERVAL_MS);
        member.setConsumeThreadMin(4);
        member.setConsumeThreadMax(4);
        // the one group names all tags, so that the tag filter works and yet keeps every message
        for (String topic : job.topics)
            member.subscribe(topic, inOrder ? "*" : String.join(" || ", Job.TAGS));
        if (inOrder) {
            member.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                take(messages);
                return ConsumeOrderlyStatus.SUCCESS;
            });
        } else {
            member.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                context.setDelayLevelWhenNextConsume(1);
                return take(messages) ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS
                        : ConsumeConcurrentlyStatus.RECONSUME_LATER;
            });
        }
        try {
            member.start();
        } catch (MQClientException | IllegalStateException error) {
            member.shutdown(); // it may be a member of the group already
            throw error;
        }
        return member;
    }

    /** Notes the messages; false when one of them is to come again. */
    private boolean take(List<MessageExt> messages) {
        boolean accepted = true;
        for (MessageExt message : messages) {
            int id = Integer.parseInt(message.getKeys());
            if (!job.payload.matches(id, message.getBody()))
                job.ledger.fault("%s: the body of message %d changed", delivered.group, id);
            if (!Job.TAGS[id % Job.TAGS.length].equals(message.getTags()))
                job.ledger.fault("%s: the tag of message %d changed", delivered.group, id);
            // not its reconsume times: a client that sends a message back twice forgets them the second time
            boolean again = message.getProperty(MessageConst.PROPERTY_RETRY_TOPIC) != null;
            delivered.record(id, message.getBrokerName(), message.getTopic(), message.getQueueId(),
                    message.getQueueOffset(), again);
            if (again)
                job.retried.incrementAndGet();
            else if (id % REFUSED_EVERY == 7)
                accepted = false;
        }
        return accepted;
    }

    /**
     * True when no member has a message left to take or to take again: one whose way back to the broker failed waits
     * for 5 s at its client, and the offset of its queue stays before it until then.
     */
    boolean isIdle() {
        for (DefaultMQPushConsumer member : members)
            for (ProcessQueue queue : member.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable()
                    .values())
                if (queue.getMsgCount().get() != 0)
                    return false;
        return true;
    }

    void close() {
        for (DefaultMQPushConsumer member : members)
            member.shutdown();
        delivered.close();
    }
}
