"""A process that answers as its questions say: what they are, never, or by ending."""

import json
import sys
import time

for line in sys.stdin:
    question = json.loads(line)
    if question.get("do") == "end":
        sys.exit(3)
    if question.get("do") == "hang":
        time.sleep(60)
    print(json.dumps(question), flush=True)
