"""What the owner's messages and taps do, one router a subject. Each router is made anew for its dispatcher."""
