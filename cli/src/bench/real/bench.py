# Dictionaries, strings and small objects; PYTHONMALLOC=malloc has each of them come from malloc.
import json


class Node:
    def __init__(self, key, value):
        self.key, self.value, self.next = key, value, None


total = 0
for round in range(6):
    table = {f"key {i * 7919 % 20011}": [i, str(i) * 3, {"a": i}] for i in range(20000)}
    text = json.dumps(table)
    back = json.loads(text)
    head = None
    for key in sorted(back):
        node = Node(key, back[key])
        node.next, head = head, node
    while head:
        total += len(head.key) + head.value[0]
        head = head.next
print(total)
