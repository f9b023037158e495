"""Chat templates in the idioms of families that people use, written for this project; switches make variants of each."""


def header(rng):
    return f"""
{{%- set date = date if date is defined else strftime_now('%d %b %Y') %}}
{{%- if not enable_thinking is defined %}}{{%- set enable_thinking = {rng.choice(['true', 'false'])} %}}{{%- endif %}}
{{{{- bos_token }}}}
{{%- if messages[0]['role'] == 'system' %}}
    {{%- set first = messages[0]['content']{rng.choice(['|trim', '|string|trim', ''])} %}}
    {{%- set messages = messages[1:] %}}
{{%- else %}}
    {{%- set first = '{rng.choice(['', 'You help.'])}' %}}
{{%- endif %}}
<|begin|>system<|end|>

{{%- if tools is not none %}}
{{{{- "\\nEnvironment: tools\\n" }}}}
    {{%- for t in tools %}}
        {{{{- t | tojson(indent={rng.choice([2, 4])}) }}}}
        {{{{- "\\n\\n" }}}}
    {{%- endfor %}}
{{%- endif %}}
{{{{- "Today: " + date + "\\n" + first }}}}<|stop|>
{{%- for message in messages %}}
    {{%- if not (message.role == 'tool' or 'tool_calls' in message) %}}
        {{{{- '<|begin|>' + message['role'] + '<|end|>\\n\\n' + (message['content'] | trim) + '<|stop|>' }}}}
    {{%- elif 'tool_calls' in message %}}
        {{%- if not message.tool_calls|length == 1 %}}
            {{{{- raise_exception("one call at a time") }}}}
        {{%- endif %}}
        {{%- set call = message.tool_calls[0].function %}}
        {{{{- '{{"name": "' + call.name + '", "parameters": ' }}}}
        {{{{- call.arguments | tojson }}}}{{{{- '}}<|stop|>' }}}}
    {{%- else %}}
        {{{{- "<|begin|>tool<|end|>\\n\\n" }}}}
        {{%- if message.content is mapping or message.content is iterable %}}{{{{- message.content | tojson }}}}{{%- else %}}{{{{- message.content }}}}{{%- endif %}}
        {{{{- "<|stop|>" }}}}
    {{%- endif %}}
{{%- endfor %}}
{{%- if add_generation_prompt %}}
    {{{{- '<|begin|>assistant<|end|>\\n\\n' }}}}
{{%- endif %}}
"""


def thinking(rng):
    return f"""
{{%- if tools %}}
    {{{{- '<|start|>system\\n' }}}}
    {{%- if messages[0].role == 'system' %}}{{{{- messages[0].content + '\\n\\n' }}}}{{%- endif %}}
    {{{{- "# Tools\\n<tools>" }}}}
    {{%- for tool in tools %}}{{{{- "\\n" }}}}{{{{- tool | tojson{rng.choice(['', '(ensure_ascii=False)', '(sort_keys=true)'])} }}}}{{%- endfor %}}
    {{{{- "\\n</tools><|stop|>\\n" }}}}
{{%- elif messages[0].role == 'system' %}}
    {{{{- '<|start|>system\\n' + messages[0].content + '<|stop|>\\n' }}}}
{{%- endif %}}
{{%- set ns = namespace(multi_step=true, last=messages|length - 1) %}}
{{%- for message in messages[::-1] %}}
    {{%- set index = (messages|length - 1) - loop.index0 %}}
    {{%- if ns.multi_step and message.role == "user" and message.content is string and not(message.content.startswith('<r>') and message.content.endswith('</r>')) %}}
        {{%- set ns.multi_step = false %}}{{%- set ns.last = index %}}
    {{%- endif %}}
{{%- endfor %}}
{{%- for message in messages %}}
    {{%- if message.content is string %}}{{%- set content = message.content %}}{{%- else %}}{{%- set content = '' %}}{{%- endif %}}
    {{%- if (message.role == "user") or (message.role == "system" and not loop.first) %}}
        {{{{- '<|start|>' + message.role + '\\n' + content + '<|stop|>' + '\\n' }}}}
    {{%- elif message.role == "assistant" %}}
        {{%- set reasoning = '' %}}
        {{%- if message.reasoning_content is string %}}
            {{%- set reasoning = message.reasoning_content %}}
        {{%- elif '</think>' in content %}}
            {{%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}}
            {{%- set content = content.split('</think>')[-1].lstrip('\\n') %}}
        {{%- endif %}}
        {{%- if loop.index0 > ns.last and (loop.last or (not loop.last and reasoning)) %}}
            {{{{- '<|start|>' + message.role + '\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}}}
        {{%- else %}}
            {{{{- '<|start|>' + message.role + '\\n' + content }}}}
        {{%- endif %}}
        {{%- for tool_call in message.tool_calls %}}
            {{%- if (loop.first and content) or (not loop.first) %}}{{{{- '\\n' }}}}{{%- endif %}}
            {{%- if tool_call.function %}}{{%- set tool_call = tool_call.function %}}{{%- endif %}}
            {{{{- '<call>\\n{{"name": "' + tool_call.name + '", "arguments": ' }}}}
            {{%- if tool_call.arguments is string %}}{{{{- tool_call.arguments }}}}{{%- else %}}{{{{- tool_call.arguments | tojson }}}}{{%- endif %}}
            {{{{- '}}\\n</call>' }}}}
        {{%- endfor %}}
        {{{{- '<|stop|>\\n' }}}}
    {{%- elif message.role == "tool" %}}
        {{%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}}{{{{- '<|start|>user' }}}}{{%- endif %}}
        {{{{- '\\n<r>\\n' + content + '\\n</r>' }}}}
        {{%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}}{{{{- '<|stop|>\\n' }}}}{{%- endif %}}
    {{%- endif %}}
{{%- endfor %}}
{{%- if add_generation_prompt %}}
    {{{{- '<|start|>assistant\\n' }}}}
    {{%- if enable_thinking is defined and enable_thinking is false %}}{{{{- '<think>\\n\\n</think>\\n\\n' }}}}{{%- endif %}}
{{%- endif %}}"""


def brackets(rng):
    return f"""{{%- if messages[0]["role"] == "system" %}}
    {{%- set system_message = messages[0]["content"] %}}
    {{%- set loop_messages = messages[1:] %}}
{{%- else %}}
    {{%- set loop_messages = messages %}}
{{%- endif %}}
{{%- if not tools is defined %}}{{%- set tools = none %}}{{%- endif %}}
{{%- set users = loop_messages | selectattr("role", "equalto", "user") | list %}}
{{%- set ns = namespace() %}}
{{%- set ns.index = 0 %}}
{{%- for message in loop_messages %}}
    {{%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}}
        {{%- if (message["role"] == "user") != (ns.index % 2 == 0) %}}
            {{{{- raise_exception("roles must alternate user/assistant/user/assistant/...") }}}}
        {{%- endif %}}
        {{%- set ns.index = ns.index + 1 %}}
    {{%- endif %}}
{{%- endfor %}}
{{{{- bos_token }}}}
{{%- for message in loop_messages %}}
    {{%- if message["role"] == "user" %}}
        {{%- if tools is not none and (message == users[-1]) %}}
            {{{{- "[TOOLS] [" }}}}
            {{%- for tool in tools %}}
                {{%- set tool = tool.function %}}
                {{{{- '{{"type": "function", "function": {{' }}}}
                {{%- for key, val in tool.items() if key != "return" %}}
                    {{%- if val is string %}}{{{{- '"' + key + '": "' + val + '"' }}}}{{%- else %}}{{{{- '"' + key + '": ' + val|tojson }}}}{{%- endif %}}
                    {{%- if not loop.last %}}{{{{- ", " }}}}{{%- endif %}}
                {{%- endfor %}}
                {{{{- "}}}}" }}}}
                {{%- if not loop.last %}}{{{{- ", " }}}}{{%- else %}}{{{{- "]" }}}}{{%- endif %}}
            {{%- endfor %}}
            {{{{- "[/TOOLS]" }}}}
        {{%- endif %}}
        {{%- if loop.last and system_message is defined %}}
            {{{{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}}}
        {{%- else %}}
            {{{{- "[INST] " + message["content"] + "[/INST]" }}}}
        {{%- endif %}}
    {{%- elif message.tool_calls is defined and message.tool_calls is not none %}}
        {{{{- "[CALLS] [" }}}}
        {{%- for tool_call in message.tool_calls %}}
            {{%- set out = tool_call.function|tojson %}}
            {{{{- out[:-1] }}}}
            {{%- if not tool_call.id is defined or tool_call.id|length != {rng.choice([5, 6, 9])} %}}
                {{{{- raise_exception("wrong id") }}}}
            {{%- endif %}}
            {{{{- ', "id": "' + tool_call.id + '"}}' }}}}
            {{{{- ", " if not loop.last else "]" + eos_token }}}}
        {{%- endfor %}}
    {{%- elif message["role"] == "assistant" %}}
        {{%- generation %}}{{{{- " " + message["content"]{rng.choice(['|trim', ''])} + eos_token }}}}{{%- endgeneration %}}
    {{%- elif message["role"] == "tool" %}}
        {{%- if message.content is defined and message.content.content is defined %}}{{%- set content = message.content.content %}}{{%- else %}}{{%- set content = message.content %}}{{%- endif %}}
        {{{{- '[RESULTS] {{"content": ' + content|string + ", " }}}}{{{{- '"call_id": "' + message.tool_call_id + '"}}[/RESULTS]' }}}}
    {{%- else %}}
        {{{{- raise_exception("Only user and assistant roles are supported, got " ~ message.role) }}}}
    {{%- endif %}}
{{%- endfor %}}
"""


def turns(rng):
    refuse = "{{ raise_exception('System role not supported') }}" if rng.random() < 0.3 else "{{ '<note>' + messages[0]['content'] + '</note>' }}"
    return f"""{{{{ bos_token }}}}{{% if messages[0]['role'] == 'system' %}}{refuse}{{% endif %}}{{% for message in messages %}}{{% if message['role'] in ['system', 'tool'] %}}{{% continue %}}{{% endif %}}{{% if (message['role'] == 'assistant') %}}{{% set role = 'model' %}}{{% else %}}{{% set role = message['role'] %}}{{% endif %}}{{{{ '<turn>' + role + '
' }}}}{{%- if message['content'] is string -%}}{{{{ message['content'] | trim }}}}{{%- elif message['content'] is iterable -%}}{{%- for item in message['content'] -%}}{{%- if item['type'] == 'image' -%}}{{{{ '<image>' }}}}{{%- elif item['type'] == 'text' -%}}{{{{ item['text'] | trim }}}}{{%- endif -%}}{{%- endfor -%}}{{%- else -%}}{{{{ raise_exception('Invalid content type') }}}}{{%- endif -%}}{{{{ '</turn>
' }}}}{{% endfor %}}{{% if add_generation_prompt %}}{{{{'<turn>model
'}}}}{{% endif %}}"""


def namespaces(rng):
    begin = rng.choice(["", "<think>\\n"])
    return f"""{{% if not add_generation_prompt is defined %}}{{% set add_generation_prompt = false %}}{{% endif %}}{{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}}{{%- for message in messages %}}{{%- if message['role'] == 'system' %}}{{% set ns.system_prompt = message['content'] %}}{{%- endif %}}{{%- endfor %}}{{{{bos_token}}}}{{{{ns.system_prompt}}}}{{%- for message in messages %}}{{%- if message['role'] == 'user' %}}{{%- set ns.is_tool = false -%}}{{{{'<|User|>' + message['content']}}}}{{%- endif %}}{{%- if message['role'] == 'assistant' and message['content'] is {rng.choice(['none', 'undefined'])} %}}{{%- set ns.is_tool = false -%}}{{%- for tool in message['tool_calls']%}}{{%- if not ns.is_first %}}{{{{'<|Assistant|><|calls|><|call|>' + tool['type'] + '<|sep|>' + tool['function']['name'] + '\\n' + '```json' + '\\n' + tool['function']['arguments']|{rng.choice(['string', 'tojson'])} + '\\n' + '```' + '<|end|>'}}}}{{%- set ns.is_first = true -%}}{{%- else %}}{{{{'\\n' + '<|call|>' + tool['type'] + '<|sep|>' + tool['function']['name']}}}}{{{{'<|ends|>'}}}}{{%- endif %}}{{%- endfor %}}{{%- endif %}}{{%- if message['role'] == 'assistant' and message['content'] %}}{{%- if ns.is_tool %}}{{{{'<|outputs|>' + message['content'] + '<|eos|>'}}}}{{%- set ns.is_tool = false -%}}{{%- else %}}{{% set content = message['content'] %}}{{% if '</think>' in content %}}{{% set content = content.split('</think>')[-1] %}}{{% endif %}}{{{{'<|Assistant|>' + content + '<|eos|>'}}}}{{%- endif %}}{{%- endif %}}{{%- if message['role'] == 'tool' %}}{{%- set ns.is_tool = true -%}}{{%- if ns.is_output_first %}}{{{{'<|outputs|><|output|>' + message['content'] + '<|oend|>'}}}}{{%- set ns.is_output_first = false %}}{{%- else %}}{{{{'\\n<|output|>' + message['content'] + '<|oend|>'}}}}{{%- endif %}}{{%- endif %}}{{%- endfor -%}}{{% if ns.is_tool %}}{{{{'<|oends|>'}}}}{{% endif %}}{{% if add_generation_prompt and not ns.is_tool %}}{{{{'<|Assistant|>{begin}'}}}}{{% endif %}}"""


def plain(rng):
    keep = rng.choice(["{{ eos_token }}", "{{- eos_token -}}", "{{ '\\n' }}"])
    return f"""{{% for message in messages %}}
{{% if message['role'] == 'system' and message['content'] %}}
{{{{ '<|system|>\\n' + message['content'] + '<|end|>\\n' }}}}
{{% elif message['role'] == 'user' %}}
{{{{ '<|user|>\\n' ~ message['content'] ~ '<|end|>\\n' }}}}
{{% elif message['role'] == 'assistant' %}}
{{% generation %}}{{{{ '<|assistant|>\\n' ~ message['content'] ~ '<|end|>\\n' }}}}{{% endgeneration %}}
{{% endif %}}
{{% if loop.last and add_generation_prompt %}}
{{{{ '<|assistant|>' }}}}
{{% endif %}}
{{% endfor %}}
{keep}"""


def macros(rng):
    return f"""{{%- macro json_to_python_type(json_spec) %}}
{{%- set basic = {{"string": "str", "number": "float", "integer": "int", "boolean": "bool"}} %}}
{{%- if basic[json_spec.type] is defined %}}
    {{{{- basic[json_spec.type] }}}}
{{%- elif json_spec.type == "array" %}}
    {{{{- "list[" + json_to_python_type(json_spec|items) + "]" }}}}
{{%- elif json_spec.type == "object" %}}
    {{%- if json_spec.additionalProperties is defined %}}{{{{- "dict[str, " + json_to_python_type(json_spec.additionalProperties) + ']' }}}}{{%- else %}}{{{{- "dict" }}}}{{%- endif %}}
{{%- elif json_spec.type is iterable %}}
    {{{{- "Union[" }}}}{{%- for t in json_spec.type %}}{{{{- json_to_python_type({{"type": t}}) }}}}{{%- if not loop.last %}}{{{{- "," }}}}{{%- endif %}}{{%- endfor %}}{{{{- "]" }}}}
{{%- else %}}
    {{{{- "Any" }}}}
{{%- endif %}}
{{%- endmacro %}}
{{{{- bos_token }}}}<|s|>system
{{%- for tool in tools %}}
    {{%- if tool.function is defined %}}{{%- set tool = tool.function %}}{{%- endif %}}
    {{{{- '\\n{{"name": ' + tool.name|tojson + ', "signature": "' + tool.name + '(' }}}}
    {{%- for param_name, param_fields in tool.parameters.properties|items %}}
        {{{{- param_name + ": " + json_to_python_type(param_fields) }}}}
        {{%- if not loop.last %}}{{{{- ", " }}}}{{%- endif %}}
    {{%- endfor %}}
    {{{{- ")" }}}}
    {{%- if tool.return is defined %}}{{{{- " -> " + json_to_python_type(tool.return) }}}}{{%- endif %}}
    {{{{- '", "required": ' }}}}{{{{- tool.parameters.required|tojson{rng.choice(['', '(separators=(",", ":"))'])} }}}}
    {{{{- '}}' }}}}
{{%- endfor %}}
{{%- call(role) wrap('x') if false else caller_free(messages) %}}{{{{ role }}}}{{%- endcall %}}
""" if rng.random() < 0.05 else f"""{{%- macro content_of(content, do_count=false) %}}
    {{%- if content is string %}}{{{{- content }}}}
    {{%- elif content is iterable and content is not mapping %}}
        {{%- for item in content %}}
            {{%- if 'image' in item or 'image_url' in item or item.type == 'image' %}}
                {{%- if do_count %}}{{{{- 'Picture ' ~ loop.index ~ ': ' }}}}{{%- endif %}}{{{{- '<img>' }}}}
            {{%- elif 'text' in item %}}{{{{- item.text }}}}
            {{%- else %}}{{{{- raise_exception('Unexpected item type in content.') }}}}{{%- endif %}}
        {{%- endfor %}}
    {{%- elif content is none or content is undefined %}}{{{{- '' }}}}
    {{%- else %}}{{{{- raise_exception('Unexpected content type.') }}}}{{%- endif %}}
{{%- endmacro %}}
{{%- macro arguments(call) -%}}
{{%- for name, value in call.arguments|items %}}
<parameter={{{{ name }}}}>
{{{{ value | tojson | safe if value is mapping or (value is sequence and value is not string) else value | string }}}}
</parameter>
{{%- endfor %}}
{{%- endmacro -%}}
{{%- for message in messages %}}
    {{%- set content = content_of(message.content, {rng.choice(['true', 'false'])})|trim %}}
    {{{{- '<|s|>' ~ message.role ~ '\\n' ~ content }}}}
    {{%- if message.tool_calls is defined and message.tool_calls is iterable and message.tool_calls | length > 0 %}}
        {{%- for tool_call in message.tool_calls %}}
            {{%- if tool_call.function is defined %}}{{%- set tool_call = tool_call.function %}}{{%- endif %}}
            {{{{- '\\n<function=' + tool_call.name + '>' }}}}
            {{%- if tool_call.arguments is mapping %}}{{{{- arguments(tool_call) }}}}{{%- else %}}{{{{- tool_call.arguments }}}}{{%- endif %}}
            {{{{- '\\n</function>' }}}}
        {{%- endfor %}}
    {{%- endif %}}
    {{{{- '<|e|>\\n' }}}}
{{%- endfor %}}
{{%- if add_generation_prompt %}}{{{{- '<|s|>assistant\\n' }}}}{{{{- '<think>\\n' if enable_thinking is undefined or enable_thinking else '<think>\\n\\n</think>\\n\\n' }}}}{{%- endif %}}
"""


def documents(rng):
    return f"""{{{{ bos_token }}}}{{% if documents %}}## Documents
{{% for document in documents %}}{{% set doc = loop.index0 %}}
Document: {{{{ doc }}}}
{{% for key, value in document | dictsort %}}{{{{ key }}}}: {{{{ value{rng.choice(['', ' | trim', ' | wordwrap(20)', ' | truncate(12)'])} }}}}
{{% endfor %}}{{% endfor %}}{{% endif %}}
{{%- if tools %}}
tools: {{{{ tools | map(attribute='function') | map(attribute='name') | join(', ') }}}}
{{{{ tools | map(attribute='function.parameters.required') | list }}}}
{{% endif %}}
{{% set roles = messages | map(attribute='role') | unique | list %}}{{{{ roles | join('/') }}}} {{{{ roles | length }}}}
{{% for role, list in messages | groupby('role') %}}{{{{ role | upper }}}} x{{{{ list | length }}}}: {{{{ list | map(attribute='content', default='-') | map('string') | map('{rng.choice(['upper', 'trim', 'length', 'title', 'tojson'])}') | join(' | ') }}}}
{{% endfor %}}
{{%- for message in messages if message.content %}}
{{{{ loop.index }}}}/{{{{ loop.length }}}} {{{{ message.role.title() }}}}: {{{{ message.content if message.content is string else message.content | selectattr('type', 'equalto', 'text') | map(attribute='text') | join }}}}{{% if not loop.last %}}

{{% endif %}}
{{%- else %}}
nothing
{{%- endfor %}}"""


def channels(rng):
    return f"""{{%- set builtin = {rng.choice(['[]', "['browser']"])} -%}}
{{%- macro render(specs) -%}}
{{%- for name, spec in specs.items() %}}{{{{ name }}}}{{{{ '?' if name not in required|default([]) }}}}: {{% if spec.enum %}}{{{{ spec.enum | map('tojson') | join(' | ') }}}}{{% elif spec.type == 'integer' %}}number{{% else %}}{{{{ spec.type }}}}{{% endif %}}{{% if spec.description %}} // {{{{ spec.description | indent(2) }}}}{{% endif %}}
{{% if not loop.last %}},{{% endif %}}{{% endfor %}}
{{%- endmacro -%}}
<|start|>system<|message|>Current date: {{{{ strftime_now("%Y-%m-%d") }}}}{{{{ "\\nReasoning: " + (reasoning_effort if reasoning_effort is defined else "medium") }}}}
{{%- if tools -%}}
{{{{ "\\n# Tools\\nnamespace functions {{\\n" }}}}
{{%- for tool in tools %}}{{%- set tool = tool.function %}}{{{{- "// " + tool.description|default('', true) + "\\ntype " + tool.name + " = (_: {{\\n" }}}}{{{{ render(tool.parameters.properties) }}}}{{{{ "}}) => any;\\n" }}}}{{%- endfor %}}
{{{{- "}}" }}}}
{{%- endif -%}}<|end|>
{{%- set last = namespace(name=none) %}}
{{%- for message in messages -%}}
    {{%- if message.role == 'assistant' -%}}
        {{%- if "<|channel|>" in message.content|default('', true)|string %}}{{{{- raise_exception("channel tags in content") }}}}{{%- endif %}}
        {{%- if message.tool_calls %}}
            {{%- set tool_call = message.tool_calls[0].function %}}
            {{%- if message.thinking and message.content %}}{{{{- raise_exception("both") }}}}{{%- elif message.thinking %}}{{{{- "<|start|>assistant<|channel|>analysis<|message|>" + message.thinking + "<|end|>" }}}}{{%- endif %}}
            {{{{- "<|start|>assistant to=functions." ~ tool_call.name ~ "<|message|>" }}}}{{{{- tool_call.arguments|tojson }}}}{{{{- "<|call|>" }}}}
            {{%- set last.name = tool_call.name %}}
        {{%- elif loop.last and not add_generation_prompt %}}
            {{%- if message.thinking %}}{{{{- "<|start|>assistant<|channel|>analysis<|message|>" + message.thinking + "<|end|>" }}}}{{%- endif %}}
            {{{{- "<|start|>assistant<|channel|>final<|message|>" ~ message.content ~ "<|return|>" }}}}
        {{%- else %}}
            {{{{- "<|start|>assistant<|channel|>final<|message|>" ~ message.content ~ "<|end|>" }}}}{{%- set last.name = none %}}
        {{%- endif %}}
    {{%- elif message.role == 'tool' -%}}
        {{%- if last.name is none %}}{{{{- raise_exception("tool without a call") }}}}{{%- endif %}}
        {{{{- "<|start|>functions." + last.name }}}}{{{{- " to=assistant<|message|>" + message.content|tojson + "<|end|>" }}}}
    {{%- elif message.role == 'user' -%}}
        {{{{- "<|start|>user<|message|>" ~ message.content ~ "<|end|>" }}}}
    {{%- endif -%}}
{{%- endfor -%}}
{{%- if add_generation_prompt -%}}<|start|>assistant{{%- endif -%}}"""


def loops(rng):
    return f"""{{% set found = namespace(system='', turns=0, calls=[]) %}}
{{% for m in messages if m.role == 'system' %}}{{% set found.system = found.system ~ m.content %}}{{% endfor %}}
{{% for m in messages %}}
  {{% if m.role == 'system' %}}{{% continue %}}{{% endif %}}
  {{% if found.turns >= {rng.randint(1, 4)} %}}{{% break %}}{{% endif %}}
  {{% set found.turns = found.turns + 1 %}}
  {{% set found.calls = found.calls + (m.tool_calls | default([], true) | map(attribute='function.name') | list) %}}
  {{{{ loop.index ~ '. ' if loop.length > 1 }}}}{{{{ m.role[0] | upper }}}}{{{{ m.role[1:] }}}}: {{{{ m.content | default('', true) | string | replace('\\n', ' ') | {rng.choice(['trim', 'truncate(9, true)', 'center(20)', 'indent(3)', 'e', 'striptags', 'title'])} }}}}
{{% endfor %}}
{{{{ '%s turns, %d calls%s' % (found.turns, found.calls | length, '' if not found.system else ' (' ~ found.system | length ~ ')') }}}}
{{{{ "{{}}: {{:>6}}|{{:.2f}}".format(found.system[:3], found.turns, found.turns / 3) }}}}
{{% set table = [['a', 1], ['b', [2, ['c']]]] %}}{{% for x in table recursive %}}{{% if x is string or x is number %}}{{{{ x }}}}{{{{ loop.depth }}}}{{% else %}}({{{{ loop(x) }}}}){{% endif %}}{{% endfor %}}
"""


IDIOMS = [header, thinking, brackets, turns, namespaces, plain, macros, documents, channels, loops]


def idiom(rng):
    return rng.choice(IDIOMS)(rng)
