import asyncio
import os

import aiormq


async def on_message(message):
    print(' [x] %s %s' % (message.delivery.routing_key, message.body.decode()), flush=True)
    await message.channel.basic_ack(message.delivery.delivery_tag)


async def main():
    connection = await aiormq.connect('amqp://guest:guest@localhost:%s/' % os.environ['AMQP_PORT'])
    channel = await connection.channel()
    await channel.basic_qos(prefetch_count=1)
    await channel.exchange_declare(exchange='direct_logs', exchange_type='direct')
    declared = await channel.queue_declare(durable=True, exclusive=True)
    for severity in ('info', 'error'):
        await channel.queue_bind(declared.queue, 'direct_logs', routing_key=severity)
    await channel.basic_consume(declared.queue, on_message)
    print(' [*] Waiting', flush=True)
    await asyncio.Future()


asyncio.run(main())
