import NIOPosix
print("mock")
