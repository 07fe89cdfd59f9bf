"""Samples for PyPI's jupyter_kernel_test: each of its tests runs, none is skipped."""

import unittest

import jupyter_kernel_test


class KernelTests(jupyter_kernel_test.KernelTests):
    kernel_name = "s2mllm"
    language_name = "typescript"
    file_extension = ".ts"

    code_hello_world = "console.log('hello, world')"
    code_stderr = "console.error('oops')"
    completion_samples = [
        {"text": "Math.hyp", "matches": ["hypot"]},
        {"text": "JSON.par", "matches": ["parse"]},
    ]
    complete_code_samples = ["1", "const a = [1, 2];", "function f(x: number) {\n  return x;\n}", "await (0)"]
    incomplete_code_samples = ["function f(", "const o = {", "`open", "/* open", "f(1,"]
    invalid_code_samples = ["let = = 3", "1 +* 2", "const 3 = a", '"cut\n']
    code_page_something = "setTimeout?"
    code_generate_error = "throw new RangeError('far')"
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": "'a'.repeat(3)", "result": "aaa"},
        {"code": "[1, 2].map((n) => n + 1)", "result": "[ 2, 3 ]"},
    ]
    code_display_data = [
        {"code": "import { display } from 'tslab'; display.html('<b>x</b>')", "mime": "text/html"},
        {"code": "display.png(new Uint8Array([1, 2, 3]))", "mime": "image/png"},
    ]
    code_history_pattern = "6 [*?] 7"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "parseInt"
    code_clear_output = "console.clear()"


class IopubWelcomeTests(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "s2mllm"
    support_iopub_welcome = True


if __name__ == "__main__":
    unittest.main(verbosity=2)
