"""The computations behind the operators: functions of tensors that know nothing of LightX2V, each with its
suppliers.
"""
