import asyncio
import os

import aiormq


async def main():
    connection = await aiormq.connect('amqp://guest:guest@localhost:%s/' % os.environ['AMQP_PORT'])
    channel = await connection.channel()
    await channel.exchange_declare(exchange='direct_logs', exchange_type='direct')
    for severity in ('info', 'warning', 'error'):
        await channel.basic_publish(
            b'Hello ' + severity.encode(),
            routing_key=severity,
            exchange='direct_logs',
            properties=aiormq.spec.Basic.Properties(delivery_mode=1),
        )
    print(' [x] Sent')
    await connection.close()


asyncio.run(main())
