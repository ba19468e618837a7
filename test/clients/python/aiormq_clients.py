"""aiormq: asyncio publishers and consumers, confirms, floats and every other field type, errors."""

import asyncio
import datetime
import decimal

import aiormq
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError, PublishError

from scenario import AMQP_PORT, equal, main, scenario, unique

URL = 'amqp://guest:guest@localhost:%d/' % AMQP_PORT


def with_channel(**options):
    """Runs the coroutine function on a new connection's channel."""

    def decorate(function):
        def run():
            async def inside():
                connection = await aiormq.connect(URL)
                try:
                    await asyncio.wait_for(function(await connection.channel(**options)), 30)
                finally:
                    await connection.close()

            asyncio.run(inside())

        run.__name__ = function.__name__
        return run

    return decorate


async def collect(channel, queue, count, **options):
    messages, enough = [], asyncio.get_running_loop().create_future()

    async def on_message(message):
        if not options.get('no_ack'):
            await message.channel.basic_ack(message.delivery.delivery_tag)
        messages.append(message)
        if len(messages) == count:
            enough.set_result(None)

    ok = await channel.basic_consume(queue, on_message, **options)
    await asyncio.wait_for(enough, 20)
    await channel.basic_cancel(ok.consumer_tag)
    return messages


@scenario
@with_channel()
async def direct_exchange_with_confirms(channel):
    exchange = unique('direct')
    await channel.exchange_declare(exchange=exchange, exchange_type='direct', auto_delete=True)
    queue = (await channel.queue_declare(exclusive=True)).queue
    for severity in ('info', 'error'):
        await channel.queue_bind(queue, exchange, routing_key=severity)
    for n in range(100):
        key = ('info', 'warning', 'error')[n % 3]
        confirmation = await channel.basic_publish(b'%d' % n, exchange=exchange, routing_key=key)
        equal(type(confirmation).__name__, 'Ack')
    messages = await collect(channel, queue, 67)
    equal([int(m.body) for m in messages], [n for n in range(100) if n % 3 != 1])


@scenario
@with_channel()
async def pipelined_confirms_all_arrive(channel):
    queue = (await channel.queue_declare(unique('pipelined'), durable=True)).queue
    properties = aiormq.spec.Basic.Properties(delivery_mode=2)
    sends = [channel.basic_publish(b'%d' % n, routing_key=queue, properties=properties) for n in range(1000)]
    confirmations = await asyncio.gather(*sends)
    equal({type(c).__name__ for c in confirmations}, {'Ack'})
    messages = await collect(channel, queue, 1000, no_ack=True)
    equal([int(m.body) for m in messages], list(range(1000)))
    await channel.queue_delete(queue)


@scenario
@with_channel()
async def every_field_type(channel):
    headers = {
        'bool': True,
        'byte': 5,
        'short': 300,
        'int': 70000,
        'long': 2**40,
        'double': 2.5,
        'decimal': decimal.Decimal('1.25'),
        'text': 'grün',
        'bytes': bytearray(b'\x00\xff'),
        'time': datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc),
        'none': None,
        'table': {'deep': {'deeper': [1, {'x': 'y'}]}},
        'array': [1, 'a', 2.5, None, True],
    }
    queue = (await channel.queue_declare(exclusive=True)).queue
    properties = aiormq.spec.Basic.Properties(headers=headers, content_type='text/plain', priority=9)
    await channel.basic_publish(b'x', routing_key=queue, properties=properties)
    [message] = await collect(channel, queue, 1)
    equal(message.header.properties.headers, headers)
    equal((message.header.properties.content_type, message.header.properties.priority), ('text/plain', 9))


@scenario
@with_channel(on_return_raises=True)
async def mandatory_return_and_nack(channel):
    try:
        await channel.basic_publish(b'x', exchange='amq.direct', routing_key=unique('nobody'), mandatory=True)
        raise AssertionError('not returned')
    except PublishError as error:
        equal((error.frame.reply_code, error.frame.reply_text), (312, 'NO_ROUTE'))
    queue = (
        await channel.queue_declare(exclusive=True, arguments={'x-max-length': 1, 'x-overflow': 'reject-publish'})
    ).queue
    await channel.basic_publish(b'1', routing_key=queue)
    try:
        await channel.basic_publish(b'2', routing_key=queue)
        raise AssertionError('not nacked')
    except PublishError:
        raise
    except DeliveryError:
        pass


@scenario
@with_channel()
async def basic_get_and_reject(channel):
    queue = (await channel.queue_declare(exclusive=True)).queue
    empty = await channel.basic_get(queue)
    equal(type(empty.delivery).__name__, 'GetEmpty')
    await channel.basic_publish(b'1', routing_key=queue)
    await channel.basic_publish(b'2', routing_key=queue)
    first = await channel.basic_get(queue)
    equal((first.body, first.delivery.message_count, first.delivery.redelivered), (b'1', 1, False))
    await channel.basic_reject(first.delivery.delivery_tag, requeue=True)
    again = await channel.basic_get(queue)
    equal((again.body, again.delivery.redelivered), (b'1', True))
    await channel.basic_nack(again.delivery.delivery_tag, requeue=False)
    last = await channel.basic_get(queue, no_ack=True)
    equal((last.body, last.delivery.message_count), (b'2', 0))


@scenario
@with_channel()
async def errors_name_their_reason(channel):
    connection = channel.connection
    missing = unique('missing')
    try:
        await channel.queue_declare(missing, passive=True)
        raise AssertionError('declared passively')
    except ChannelNotFoundEntity as error:
        equal(str(error), "NOT_FOUND - no queue '%s' in vhost '/'" % missing)
    other = await connection.channel()
    queue = (await other.queue_declare(unique('q'), auto_delete=True)).queue
    try:
        await other.queue_declare(queue, durable=True)
        raise AssertionError('declared durable')
    except ChannelPreconditionFailed as error:
        assert "inequivalent arg 'durable'" in str(error), error


main()
