"""What tests share, a file a topic; benchmarks and the fault suite use it, too.

- A site, and who runs it: ``sites``, ``agent_process``, ``command_line`` and their like.
- Delivery: ``broker``, ``platform_client``, ``certificates``, ``delivering_device``, ``outboxes``.
- What a device keeps: ``state_folder``, ``statuses``, ``small_disks``.
- What is seen: ``scenes``, ``cases``, ``red_bike_model``, ``view_faults``; clips and cut-outs lie beside.
- Cameras and machines that are pretended: ``network_camera``, ``virtual_camera``, ``debian_roots``.
- Where things lie, and waiting: ``paths``, ``ports``, ``waiting``.

It needs nothing of the tests: tests/project/test_layout_of_tests.py.
"""
