"""pika: what a queue does with its messages: order, time to live, length, priority, dead letters, lifetimes."""

import time

import pika
import pika.exceptions

from pika_session import assert_empty, bodies, channel, consume, publish, refused_channel, settle, take, wait_for
from scenario import equal, eventually, main, scenario, unique


def depth(ch, queue):
    return ch.queue_declare(queue, passive=True).method.message_count


@scenario
def declare_counts_purge_delete():
    with channel() as ch:
        queue = unique('counts')
        equal(ch.queue_declare(queue, durable=True).method.message_count, 0)
        publish(ch, queue, b'1', b'2', b'3')
        got = []
        again = eventually(lambda: (m := ch.queue_declare(queue, durable=True).method).message_count == 3 and m)
        equal((again.queue, again.message_count, again.consumer_count), (queue, 3, 0))
        consume(ch, queue, got)
        wait_for(ch, got, 3)
        # Unacknowledged messages are not ready: neither counted nor purged.
        publish(ch, queue, b'4')
        wait_for(ch, got, 4)
        method = ch.queue_declare(queue, passive=True).method
        equal((method.message_count, method.consumer_count), (0, 1))
        equal(ch.queue_purge(queue).method.message_count, 0)
        ch.basic_cancel(ch.consumer_tags[0])
        ch.basic_nack(0, multiple=True, requeue=True)
        equal(eventually(lambda: depth(ch, queue) == 4), True)
        equal(ch.queue_purge(queue).method.message_count, 4)
        publish(ch, queue, b'5')
        equal(ch.queue_delete(queue).method.message_count, 1)
        # Deleting what is not there is fine.
        equal(ch.queue_delete(queue).method.message_count, 0)


@scenario
def requeue_keeps_order_and_marks_redelivered():
    with channel() as ch:
        queue = ch.queue_declare('', exclusive=True).method.queue
        publish(ch, queue, *[b'%d' % n for n in range(1, 7)])
        taken = take(ch, queue, 6)
        equal([m.redelivered for m, _, _ in taken], [False] * 6)
        tags = [m.delivery_tag for m, _, _ in taken]
        ch.basic_nack(tags[4], requeue=True)
        ch.basic_reject(tags[1], requeue=True)
        again = take(ch, queue, 2)
        equal([(body, m.redelivered) for m, _, body in again], [(b'2', True), (b'5', True)])
        equal(again[0][0].delivery_tag, 7, 'tags go on')
        publish(ch, queue, b'7')
        # Everything up to tag 4 goes back before the newer message: 1, 3, 4 (2 and 5 have new tags).
        ch.basic_nack(tags[3], multiple=True, requeue=True)
        rest = take(ch, queue, 4)
        equal([(body, m.redelivered) for m, _, body in rest], [(b'1', True), (b'3', True), (b'4', True), (b'7', False)])


@scenario
def closing_returns_unacknowledged_in_order():
    with channel() as ch:
        queue = unique('returned')
        ch.queue_declare(queue, auto_delete=False)
        publish(ch, queue, b'1', b'2', b'3', b'4')
        with channel() as other:
            taken = take(other, queue, 3)
            other.basic_ack(taken[1][0].delivery_tag)
        messages = take(ch, queue, 3)
        equal([(b, m.redelivered) for m, _, b in messages], [(b'1', True), (b'3', True), (b'4', False)])
        second = ch.connection.channel()
        ch.close()
        equal([(b, m.redelivered) for m, _, b in take(second, queue, 3)], [(b'1', True), (b'3', True), (b'4', True)])
        second.queue_delete(queue)


@scenario
def ack_multiple_and_zero():
    with channel() as ch:
        queue = ch.queue_declare('', exclusive=True).method.queue
        publish(ch, queue, *[b'%d' % n for n in range(6)])
        tags = [m.delivery_tag for m, _, _ in take(ch, queue, 6)]
        ch.basic_ack(tags[3], multiple=True)
        ch.basic_recover(requeue=True)
        equal([b for _, _, b in take(ch, queue, 2)], [b'4', b'5'])
        ch.basic_ack(0, multiple=True)
        ch.basic_recover(requeue=True)
        assert_empty(ch, queue)


def first_death(properties):
    [death] = properties.headers['x-death']
    return death


@scenario
def dead_letter_rejected_with_history():
    with channel() as ch:
        dlx, queue, grave = unique('dlx'), unique('work'), unique('grave')
        ch.exchange_declare(dlx, 'fanout')
        ch.queue_declare(queue, exclusive=True, arguments={'x-dead-letter-exchange': dlx})
        ch.queue_declare(grave, exclusive=True)
        ch.queue_bind(grave, dlx)
        before = int(time.time())
        publish(ch, queue, b'bad', message_id='m', headers={'mine': 1}, expiration='100000')
        [(method, _, _)] = take(ch, queue, 1)
        ch.basic_reject(method.delivery_tag, requeue=False)
        [(method, properties, body)] = take(ch, grave, 1)
        equal((method.exchange, method.routing_key, method.redelivered, body), (dlx, queue, False, b'bad'))
        equal((properties.message_id, properties.headers['mine']), ('m', 1))
        death = first_death(properties)
        assert before - 2 <= death.pop('time').timestamp() <= time.time() + 2
        equal(
            death,
            {'count': 1, 'reason': 'rejected', 'queue': queue, 'exchange': '', 'routing-keys': [queue], 'original-expiration': '100000'},
        )
        equal(properties.expiration, None, 'a dead letter does not expire again')
        firsts = {k: v for k, v in properties.headers.items() if k.startswith('x-first-death')}
        equal(
            firsts,
            {'x-first-death-exchange': '', 'x-first-death-queue': queue, 'x-first-death-reason': 'rejected'},
        )
        ch.exchange_delete(dlx)


@scenario
def dead_letter_expired_with_its_original_expiration():
    with channel() as ch:
        queue, grave = unique('short'), unique('grave')
        ch.queue_declare(grave, exclusive=True)
        ch.queue_declare(
            queue,
            exclusive=True,
            arguments={'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': grave},
        )
        ch.queue_bind(queue, 'amq.direct', queue + '.key')
        publish(ch, queue + '.key', b'gone', exchange='amq.direct', expiration='50')
        [(method, properties, body)] = take(ch, grave, 1)
        equal((method.exchange, method.routing_key, body), ('', grave, b'gone'))
        death = first_death(properties)
        del death['time']
        equal(
            death,
            {
                'count': 1,
                'reason': 'expired',
                'queue': queue,
                'exchange': 'amq.direct',
                'routing-keys': [queue + '.key'],
                'original-expiration': '50',
            },
        )
        equal(properties.expiration, None, 'it would expire again')


@scenario
def dead_letter_counts_and_orders_deaths():
    with channel() as ch:
        work, wait = unique('work'), unique('wait')
        to_default = {'x-dead-letter-exchange': ''}
        ch.queue_declare(work, exclusive=True, arguments={**to_default, 'x-dead-letter-routing-key': wait})
        ch.queue_declare(
            wait,
            exclusive=True,
            arguments={**to_default, 'x-dead-letter-routing-key': work, 'x-message-ttl': 30},
        )
        publish(ch, work, b'retry me')
        for attempt in range(3):
            [(method, properties, body)] = take(ch, work, 1)
            deaths = (properties.headers or {}).get('x-death', [])
            got = [(death['queue'], death['reason'], death['count']) for death in deaths]
            wanted = [(wait, 'expired', attempt), (work, 'rejected', attempt)] if attempt else []
            equal(got, wanted, 'attempt %d: newest first' % attempt)
            ch.basic_nack(method.delivery_tag, requeue=False)


@scenario
def dead_letter_cycle_without_rejection_ends():
    with channel() as ch:
        queue = unique('circle')
        ch.queue_declare(
            queue,
            exclusive=True,
            arguments={'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': queue, 'x-message-ttl': 50},
        )
        publish(ch, queue, b'x')
        time.sleep(0.5)
        equal(depth(ch, queue), 0, 'dropped instead of expiring into itself for ever')


@scenario
def time_to_live_of_queue_and_message():
    with channel() as ch:
        queue = unique('ttl')
        ch.queue_declare(queue, exclusive=True, arguments={'x-message-ttl': 300})
        publish(ch, queue, b'own', expiration='50')
        publish(ch, queue, b'queue')
        publish(ch, queue, b'longer', expiration='60000')
        time.sleep(0.15)
        equal([b for _, _, b in take(ch, queue, 1)], [b'queue'], 'the lower of both counts')
        ch.basic_recover(requeue=True)
        time.sleep(0.5)
        assert_empty(ch, queue)


@scenario
def time_to_live_zero_reaches_only_a_waiting_consumer():
    with channel() as ch:
        queue = ch.queue_declare('', exclusive=True).method.queue
        publish(ch, queue, b'nobody waits', expiration='0')
        time.sleep(0.05)
        assert_empty(ch, queue)
        got = []
        consume(ch, queue, got, auto_ack=True)
        publish(ch, queue, b'waiting', expiration='0')
        equal([b for _, _, b in wait_for(ch, got, 1)], [b'waiting'])


@scenario
def unused_queue_expires():
    with channel() as ch:
        queue, used = unique('expires'), unique('used')
        for name in (queue, used):
            ch.queue_declare(name, arguments={'x-expires': 600})
        tag = consume(ch, used, [])
        time.sleep(1.5)
        code, text = refused_channel(lambda c: c.queue_declare(queue, passive=True))
        equal((code, text), (404, "NOT_FOUND - no queue '%s' in vhost '/'" % queue))
        equal(ch.queue_declare(used, passive=True).method.consumer_count, 1, 'a consumer keeps it')
        ch.basic_cancel(tag)
        time.sleep(1.5)
        equal(refused_channel(lambda c: c.queue_declare(used, passive=True))[0], 404)


@scenario
def max_length_drops_the_oldest():
    with channel() as ch:
        queue, grave = unique('short'), unique('grave')
        ch.queue_declare(grave, exclusive=True)
        ch.queue_declare(
            queue,
            exclusive=True,
            arguments={'x-max-length': 3, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': grave},
        )
        publish(ch, queue, *[b'%d' % n for n in range(6)])
        equal([b for _, _, b in take(ch, queue, 3)], [b'3', b'4', b'5'])
        # Delivered and unacknowledged ones do not count against the length.
        publish(ch, queue, b'6', b'7', b'8')
        eventually(lambda: depth(ch, queue) == 3)
        dead = take(ch, grave, 3)
        equal([b for _, _, b in dead], [b'0', b'1', b'2'])
        equal([first_death(p)['reason'] for _, p, _ in dead], ['maxlen'] * 3)


@scenario
def max_length_bytes_counts_bodies():
    with channel() as ch:
        queue = ch.queue_declare('', exclusive=True, arguments={'x-max-length-bytes': 1000}).method.queue
        publish(ch, queue, *[b'%d' % n * 400 for n in range(4)], headers={'ignored': 'x' * 500})
        equal([b[:1] for b in bodies(ch, queue, 2)], [b'2', b'3'])


@scenario
def max_length_reject_publish():
    with channel() as ch:
        ch.confirm_delivery()
        for overflow, dead in (('reject-publish', 0), ('reject-publish-dlx', 1)):
            grave = ch.queue_declare('', exclusive=True).method.queue
            queue = ch.queue_declare(
                '',
                exclusive=True,
                arguments={
                    'x-max-length': 2,
                    'x-overflow': overflow,
                    'x-dead-letter-exchange': '',
                    'x-dead-letter-routing-key': grave,
                },
            ).method.queue
            publish(ch, queue, b'1', b'2')
            try:
                publish(ch, queue, b'3')
                raise AssertionError('a full queue confirmed')
            except pika.exceptions.NackError:
                pass
            if dead:
                [(_, properties, body)] = take(ch, grave, 1)
                equal((body, first_death(properties)['reason']), (b'3', 'maxlen'))
            assert_empty(ch, grave)
            equal(bodies(ch, queue, 2), [b'1', b'2'])
            publish(ch, queue, b'4')
            equal(bodies(ch, queue, 1), [b'4'])


@scenario
def message_priorities():
    with channel() as ch:
        queue = ch.queue_declare('', exclusive=True, arguments={'x-max-priority': 5}).method.queue
        for n, priority in enumerate([None, 1, 5, 3, 9, 1, 0]):
            publish(ch, queue, b'%d' % n, **({} if priority is None else {'priority': priority}))
        taken = take(ch, queue, 7)
        # 9 counts as 5; none counts as 0; equal ones keep their order.
        equal([b for _, _, b in taken], [b'2', b'4', b'3', b'1', b'5', b'0', b'6'])
        equal(taken[1][1].priority, 9, 'the property itself is untouched')
        ch.basic_recover(requeue=True)
        publish(ch, queue, b'new', priority=5)
        equal([b for _, _, b in take(ch, queue, 3)], [b'2', b'4', b'new'])


@scenario
def exclusive_queue_belongs_to_its_connection():
    with channel() as ch:
        queue = unique('mine')
        ch.queue_declare(queue, exclusive=True)
        wanted = (
            405,
            "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '%s' in vhost '/'. It could be "
            'originally declared on another connection or the exclusive property value does not match that of '
            'the original declaration.' % queue,
        )
        for action in (
            lambda c: c.queue_declare(queue, passive=True),
            lambda c: c.queue_declare(queue, exclusive=True),
            lambda c: c.basic_consume(queue, lambda *_: None),
            lambda c: c.basic_get(queue),
            lambda c: c.queue_bind(queue, 'amq.direct', 'k'),
            lambda c: c.queue_purge(queue),
            lambda c: c.queue_delete(queue),
        ):
            equal(refused_channel(action), wanted)
        # Publishing to it is anyone's right.
        with channel() as other:
            publish(other, queue, b'from another connection')
        equal(bodies(ch, queue, 1), [b'from another connection'])
    equal(refused_channel(lambda c: c.queue_declare(queue, passive=True))[0], 404)


@scenario
def auto_delete_queue_goes_with_its_last_consumer():
    with channel() as ch:
        queue = unique('auto')
        ch.queue_declare(queue, auto_delete=True)
        with channel() as never_consumed:
            equal(never_consumed.queue_declare(queue, passive=True).method.consumer_count, 0)
        first = consume(ch, queue, [])
        second = consume(ch, queue, [])
        ch.basic_cancel(first)
        equal(ch.queue_declare(queue, passive=True).method.consumer_count, 1)
        ch.basic_cancel(second)
        equal(refused_channel(lambda c: c.queue_declare(queue, passive=True))[0], 404)
    queue = unique('auto')
    with channel() as ch:
        ch.queue_declare(queue, auto_delete=True)
        consume(ch, queue, [])
    eventually(lambda: gone(queue))


def gone(queue):
    try:
        return refused_channel(lambda c: c.queue_declare(queue, passive=True))[0] == 404
    except AssertionError:
        return False


@scenario
def server_named_queue_and_the_last_declared():
    with channel() as ch:
        queue = ch.queue_declare('').method.queue
        assert queue.startswith('amq.gen-') and len(queue) == len('amq.gen-') + 22, queue
        ch.queue_bind('', 'amq.direct', queue + 'k')
        publish(ch, queue + 'k', b'x', exchange='amq.direct')
        [(method, _, body)] = take(ch, '', 1)
        equal(body, b'x')
        equal(ch.queue_delete('').method.message_count, 0)


@scenario
def delete_only_if_unused_or_empty():
    with channel() as ch:
        queue = unique('careful')
        ch.queue_declare(queue)
        publish(ch, queue, b'x')
        eventually(lambda: depth(ch, queue) == 1)
        equal(
            refused_channel(lambda c: c.queue_delete(queue, if_empty=True)),
            (406, "PRECONDITION_FAILED - queue '%s' in vhost '/' not empty" % queue),
        )
        tag = consume(ch, queue, [])
        equal(
            refused_channel(lambda c: c.queue_delete(queue, if_unused=True)),
            (406, "PRECONDITION_FAILED - queue '%s' in vhost '/' in use" % queue),
        )
        ch.basic_cancel(tag)
        ch.queue_purge(queue)
        ch.queue_delete(queue, if_unused=True, if_empty=False)
        exchange = unique('careful')
        ch.exchange_declare(exchange)
        ch.queue_declare('', exclusive=True)
        ch.queue_bind('', exchange, 'k')
        equal(
            refused_channel(lambda c: c.exchange_delete(exchange, if_unused=True)),
            (406, "PRECONDITION_FAILED - exchange '%s' in vhost '/' in use" % exchange),
        )
        ch.queue_unbind('', exchange, 'k')
        ch.exchange_delete(exchange, if_unused=True)


@scenario
def consumer_on_a_deleted_queue_is_told():
    with channel() as ch:
        queue = unique('deleted')
        ch.queue_declare(queue)
        cancelled = []
        ch.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
        tag = consume(ch, queue, [])
        with channel() as other:
            other.queue_delete(queue)
        eventually(lambda: settle(ch, 0.05) or cancelled)
        equal(cancelled, [tag])


main()
