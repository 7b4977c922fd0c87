"""Every text that people read, in zh-CN and English."""
