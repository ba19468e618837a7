import os

import pika

connection = pika.BlockingConnection(pika.ConnectionParameters(host='localhost', port=int(os.environ['AMQP_PORT'])))
channel = connection.channel()
channel.queue_declare(queue='task_queue', durable=True)
for n in range(5):
    channel.basic_publish(
        exchange='',
        routing_key='task_queue',
        body='task %d' % n,
        properties=pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent),
    )
print(' [x] Sent')
connection.close()
