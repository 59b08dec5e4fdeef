"""What services need beside their modules, each part of it one object that an app takes."""
