"""What every pika program here needs: a connection, a channel, draining a queue, expecting a refusal."""

import contextlib
import time

import pika
import pika.exceptions

from scenario import AMQP_PORT


def connect(user='guest', password='guest', **options):
    credentials = pika.PlainCredentials(user, password)
    return pika.BlockingConnection(
        pika.ConnectionParameters('localhost', AMQP_PORT, credentials=credentials, **options)
    )


@contextlib.contextmanager
def channel(**options):
    connection = connect(**options)
    try:
        yield connection.channel()
    finally:
        if connection.is_open:
            connection.close()


def publish(ch, routing_key, *bodies, exchange='', **properties):
    for body in bodies:
        ch.basic_publish(exchange, routing_key, body, pika.BasicProperties(**properties))


def take(ch, queue, count, seconds=10):
    """basic.get until `count` messages came, leaving them unacknowledged: [(method, properties, body)]."""
    messages = []
    deadline = time.monotonic() + seconds
    while len(messages) < count:
        method, properties, body = ch.basic_get(queue)
        if method is not None:
            messages.append((method, properties, body))
        elif time.monotonic() > deadline:
            raise AssertionError('%s: %d of %d messages' % (queue, len(messages), count))
        else:
            time.sleep(0.02)
    return messages


def bodies(ch, queue, count):
    """Takes, acknowledges and returns `count` bodies, then checks that there are no more."""
    messages = take(ch, queue, count)
    for method, _, _ in messages:
        ch.basic_ack(method.delivery_tag)
    assert_empty(ch, queue)
    return [body for _, _, body in messages]


def assert_empty(ch, queue):
    method, _, body = ch.basic_get(queue)
    if method is not None:
        raise AssertionError('%s still has %r' % (queue, body))


def consume(ch, queue, into, **options):
    """Starts a consumer that appends (method, properties, body) to `into`; returns its tag."""
    def on_message(_, method, properties, body):
        into.append((method, properties, body))

    return ch.basic_consume(queue, on_message, **options)


def wait_for(ch, into, count, seconds=10):
    """Serves the connection until `into` holds `count` deliveries."""
    deadline = time.monotonic() + seconds
    while len(into) < count:
        if time.monotonic() > deadline:
            raise AssertionError('%d of %d deliveries: %r' % (len(into), count, [m[2] for m in into]))
        ch.connection.process_data_events(0.05)
    return into


def settle(ch, seconds=0.3):
    """Serves the connection a while, for what should not come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ch.connection.process_data_events(0.05)


def refused_channel(action, **options):
    """Runs action(channel) on a new connection; it must end with the channel closed: (code, text)."""
    with channel(**options) as ch:
        try:
            action(ch)
            # Methods are answered in order: a close that is under way comes before this answer.
            ch.queue_declare('', exclusive=True)
        except pika.exceptions.ChannelClosedByBroker as closed:
            return closed.reply_code, closed.reply_text
    raise AssertionError('the channel was not closed')


def refused_connection(action, **options):
    """Runs action(channel) on a new connection; the broker must close the connection: (code, text)."""
    connection = connect(**options)
    try:
        action(connection.channel())
        # Answered in order, so the close that is under way comes first.
        connection.channel()
        connection.close()
    except pika.exceptions.ConnectionClosedByBroker as closed:
        return closed.reply_code, closed.reply_text
    raise AssertionError('the connection was not closed')
