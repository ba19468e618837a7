import os

import pika

connection = pika.BlockingConnection(pika.ConnectionParameters('localhost', int(os.environ['AMQP_PORT'])))
channel = connection.channel()
channel.queue_declare(queue='my-queue')
channel.basic_publish(exchange='', routing_key='my-queue', body='Hello World!')
print(" [x] Sent 'Hello World!'")
connection.close()
